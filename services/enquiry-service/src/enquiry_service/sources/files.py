"""Which files may be data sources: those in the operator's folder, and no others."""

from pathlib import Path

from lodge_kit.problems import Invalid


def require_inside(folder: Path | None, name: str) -> Path:
    """Answer where the file `name` of the folder (LODGE_ENQUIRY_SOURCE_FILES) is; raises Invalid.

    A symbolic link is followed where it ends inside the folder.
    """
    if folder is None:
        raise _refused("This installation reads no files; ask an operator to set LODGE_ENQUIRY_SOURCE_FILES.")
    try:
        root = folder.resolve(strict=True)
        path = (root / name).resolve(strict=True)
    except (OSError, RuntimeError, ValueError):
        path = root = folder
    if not path.is_relative_to(root) or not path.is_file():
        raise _refused(f"There is no file {name} in the folder of data sources; ask an operator to put it there.")
    return path


def _refused(sentence: str) -> Invalid:
    return Invalid.at("/database", sentence, code="file-not-allowed")
