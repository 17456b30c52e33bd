"""One file for each claim that the fault suite proves. A new one is found by itself.

A scenario has a LETTER, by which they are sorted and chosen; a CLAIM, the sentence that it proves; and

    async def run(lab: Lab) -> Outcome

which counts what it did, and says in a sentence what was wrong (tests/faults/lab.py).
"""
