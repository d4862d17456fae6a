"""Every error Meterhouse raises on purpose.

MeterhouseError          exit code 1; the message is the sentence a person reads
├── UsageError           exit code 2; the call or the settings are wrong
├── BookFault            exit code 2; documents of the book that cannot be used, all of them at once
├── CorrectionFault      exit code 2; events that cannot be corrected as asked, all of them at once
├── HistoryFault         exit code 2; files of a history that cannot be imported, all faults at once
├── ChecksFailed         exit code 3; a blocking check has not passed
├── Rejected             exit code 1; a command that was not carried out
├── Busy                 exit code 5; another process holds a lock; retry
├── Corrupt              exit code 6; stored bytes are not what was registered
├── SourceUnavailable    exit code 5; the source may answer later; retry
└── SourceRejected       exit code 1; the source answered no, or its data breaks a limit
"""

from collections.abc import Sequence


class MeterhouseError(Exception):
    """Base of all deliberate errors; `exit_code` is what the command line returns."""

    exit_code = 1


class UsageError(MeterhouseError):
    """A call or a setting that cannot work as given."""

    exit_code = 2


class BookFault(MeterhouseError):
    """Documents of the book that cannot be used: one sentence per fault."""

    exit_code = 2

    def __init__(self, faults: Sequence[str]) -> None:
        self.faults = tuple(faults)
        noun = "fault" if len(self.faults) == 1 else "faults"
        listed = "\n".join(f"  - {fault}" for fault in self.faults)
        super().__init__(
            f"The book has {len(self.faults)} {noun}; nothing was recorded. "
            f"Correct them and run the command again:\n{listed}"
        )


def _counted(faults: Sequence[str]) -> str:
    return f"{len(faults):,} {'fault' if len(faults) == 1 else 'faults'}"


def _listed(faults: Sequence[str]) -> str:
    """A line for each of the first hundred, and how many more there are."""
    told = [f"  - {fault}{'' if fault[-1:] == '?' else '.'}" for fault in faults[:100]]
    rest = len(faults) - len(told)
    return "\n".join([*told, *([f"  and {rest:,} more."] if rest else [])])


class CorrectionFault(MeterhouseError):
    """Events that cannot be corrected as asked: one sentence per fault, the first hundred told."""

    exit_code = 2

    def __init__(self, faults: Sequence[str]) -> None:
        self.faults = tuple(faults)
        super().__init__(
            f"The correction has {_counted(self.faults)}; nothing was changed. "
            f"Correct them and give the command again:\n{_listed(self.faults)}"
        )


class HistoryFault(MeterhouseError):
    """Files of a history that cannot be imported: a sentence per fault, the first hundred told."""

    exit_code = 2

    def __init__(self, faults: Sequence[str]) -> None:
        self.faults = tuple(faults)
        super().__init__(
            f"The history has {_counted(self.faults)}; nothing was imported. "
            f"Correct the files and give the command again:\n{_listed(self.faults)}"
        )


class ChecksFailed(MeterhouseError):
    """Blocking checks that have not passed for what was asked."""

    exit_code = 3

    def __init__(self, sentences: Sequence[str]) -> None:
        self.sentences = tuple(sentences)
        super().__init__("\n".join(self.sentences))


class Rejected(MeterhouseError):
    """A command that was understood but not carried out."""


class Busy(MeterhouseError):
    """A lock that another process holds."""

    exit_code = 5

    def __init__(self, lock: str, seconds: int, holder: str) -> None:
        self.lock = lock
        super().__init__(
            f"The {lock} lock is held by {holder}; waited {seconds} s. Nothing was changed. "
            "Run the command again when the other process has ended."
        )


class Corrupt(MeterhouseError):
    """Stored bytes that differ from what was registered when they were written."""

    exit_code = 6

    def __init__(self, path: str, reason: str) -> None:
        self.path = path
        super().__init__(
            f"File {path} is damaged: {reason}. Nothing was read from it and nothing was changed. "
            "Restore the file from a backup, then run the command again."
        )


class SourceUnavailable(MeterhouseError):
    """A source that may answer later."""

    exit_code = 5

    def __init__(self, source: str, reason: str) -> None:
        self.source, self.reason = source, reason
        super().__init__(f"Source {source!r} is unavailable: {reason}. The run may be retried.")


class SourceRejected(MeterhouseError):
    """A source, or a file of it, that cannot be read as it is."""

    def __init__(self, source: str, reason: str) -> None:
        self.source, self.reason = source, reason
        super().__init__(f"Source {source!r} was refused: {reason}. Nothing of it was loaded.")
