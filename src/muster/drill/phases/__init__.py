"""The phases of a drill: what each activity does."""
