"""What may go wrong on a device, as one tree.

AgentError
    ConfigError         the agent's own configuration cannot be used
    FolderBusy          another agent owns the folder
    KernelLacks         the kernel does not offer what an agent stands on
    LinkDown            the orchestrator cannot be reached now; try again
    Refused             the orchestrator answered no; trying the same again is useless for now
        BlobMissing     it has no such blob
        UploadLost      what it holds of an upload does not match its digest; start over
    MalformedOrder      an order that cannot be carried out as written
    BlobCorrupt         bytes that arrived do not match their digest
    DiskFull            the device has no room
    StartFailed         the runner could not be started
    ArgumentsTooLong    the kernel takes no command line as long as the program's
    OldRunnerAlive      what ran before cannot be proven dead
    FileNotLeft         a file that a program was to leave is not there
"""

from __future__ import annotations


class AgentError(Exception):
    """Anything below that a caller may handle; a bug is none of these."""


class ConfigError(AgentError):
    """The agent's own configuration cannot be used."""


class FolderBusy(AgentError):
    """Another agent owns the folder."""


class KernelLacks(AgentError):
    """The kernel does not offer what an agent stands on."""


class LinkDown(AgentError):
    """The orchestrator cannot be reached now; transient."""


class Refused(AgentError):
    """The orchestrator answered no."""


class BlobMissing(Refused):
    """The orchestrator has no such blob."""


class UploadLost(Refused):
    """What the orchestrator holds of an upload does not match its digest: start over."""


class MalformedOrder(AgentError):
    """An order that cannot be carried out as written."""


class BlobCorrupt(AgentError):
    """Bytes that arrived do not match their digest."""


class DiskFull(AgentError):
    """The device has no room."""


class StartFailed(AgentError):
    """The runner could not be started on this device."""


class ArgumentsTooLong(AgentError):
    """The program's arguments and environment are longer than the kernel takes."""


class OldRunnerAlive(AgentError):
    """What ran before cannot be proven dead, so nothing may begin."""


class FileNotLeft(AgentError):
    """A file that a program was to leave is not there, or is something else; says what."""
