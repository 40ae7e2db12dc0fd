"""The report's builder: from the results that notebooks hand over (`movierec.record`) to LaTeX and README tables.

results: read them, round and mark cells; drift: compare fresh with recorded ones; latex, readme: write pages.
"""
