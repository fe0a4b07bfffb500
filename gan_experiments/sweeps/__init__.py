"""Many runs from one command: found again by it, gone on with, ranked at the end. Imports no torch by itself."""
