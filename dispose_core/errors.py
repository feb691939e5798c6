"""What can go wrong, in words a graph user understands.

Every message names the input, what was found, what was needed and what to do. A message is made
once, where the value is known; callers do not wrap it again.
"""


class DisPoseError(Exception):
    """Base of every error the library raises on purpose."""


class PoseError(DisPoseError):
    """Poses are missing, damaged or do not fit together."""


class MediaError(DisPoseError):
    """An image or video cannot be read, or a file cannot be written."""


class MissingPackage(DisPoseError):
    """An optional package is needed for what was asked and is not installed."""


class NetworkError(DisPoseError):
    """What a network is given does not fit it or one another: sizes, frames, channels, values."""


class CheckpointError(DisPoseError):
    """A weights file is damaged, unsafe, or not the file that is needed."""


class SettingsError(DisPoseError):
    """A setting of a run is unknown, missing, of another type or outside its range."""
