"""The sections of pages: one file each, with a function `section` from a run, or a comparison, to a section."""
