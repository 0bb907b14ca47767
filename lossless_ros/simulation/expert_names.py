"""Names of the simulator's experts for help texts, which must not import the simulator."""

EXPERTS_HELP = "scripted, lenient, reactive, random or specialist:PATH"
