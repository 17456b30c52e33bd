"""How pages write numbers and names."""

from django import template

register = template.Library()


@register.filter
def grouped(number: int) -> str:
    """Write 1234567 as 1,234,567."""
    return f"{number:,}"


@register.filter
def spaced(name: str) -> str:
    """Write access_tokens as people do."""
    return name.replace("_", " ")
