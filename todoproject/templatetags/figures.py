"""How pages write numbers."""

from django import template
from django.template.defaultfilters import filesizeformat

register = template.Library()


@register.filter
def grouped(number: int) -> str:
    """Write 1234567 as 1,234,567."""
    return f"{number:,}"


@register.filter
def size(number: int) -> str:
    """Write a number of bytes in the unit that suits it."""
    return filesizeformat(number)
