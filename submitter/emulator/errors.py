"""What can go wrong with the emulator itself, as opposed to the errors it plays.

EmulatorError
├── ConfigError     the configuration cannot be used; the message names file, line and key
└── StartError      a server of the emulator did not come up
"""


class EmulatorError(Exception):
    """The emulator cannot do what it was asked to."""


class ConfigError(EmulatorError, ValueError):
    """The configuration of the emulator is wrong."""


class StartError(EmulatorError):
    """A server of the emulator did not start."""
