"""How pages name static files."""

from servestatic.storage import CompressedManifestStaticFilesStorage


class StaticFilesStorage(CompressedManifestStaticFilesStorage):
    """Names with a hash once `collectstatic` has run; plain names before, so that a clone works at once."""

    def stored_name(self, name: str) -> str:
        if not self.hashed_files:
            return name
        try:
            return str(super().stored_name(name))
        except ValueError:  # it came after the last `collectstatic`: a link that leads nowhere, not a page that fails
            return name
