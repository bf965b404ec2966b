"""Why an import does not go on. Each message says what is so, and what to do."""


class ImportStopped(Exception):
    """The import cannot go on, or begin."""


class FileChanged(ImportStopped):
    """The file is not what it was when it was imported, or when an import of it began."""


class Unreadable(ImportStopped):
    """Nothing can be told of the file from some line on, not even where its records begin."""
