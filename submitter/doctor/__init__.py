"""From the laptop to the run, hop by hop: what was found where, and for each red line its fix."""

from submitter.doctor.examine import Examination, examine

__all__ = ["Examination", "examine"]
