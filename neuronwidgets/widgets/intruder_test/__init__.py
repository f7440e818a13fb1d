"""IntruderTest: which of five samples does not belong?"""
