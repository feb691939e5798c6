"""Errors of the library.

Messages are written for users: they name the input, the value found, the value needed and the
remedy. Errors are raised where the value is known and are not wrapped again.
"""


class DisPoseError(Exception):
    """Base class of all errors that the library raises deliberately."""


class PoseError(DisPoseError):
    """Poses are missing, damaged or inconsistent."""


class MediaError(DisPoseError):
    """An image or video cannot be read, or a file cannot be written."""


class MissingPackage(DisPoseError):
    """An optional package is needed and not installed."""


class NetworkError(DisPoseError):
    """Inputs of a network have wrong or inconsistent sizes, frames, channels or values."""


class CheckpointError(DisPoseError):
    """A weights file is damaged, unsafe, or of another kind than needed."""


class SettingsError(DisPoseError):
    """A setting is unknown, missing, of the wrong type or out of range."""


class NotEnoughMemory(DisPoseError):
    """A result does not fit into the free memory."""
