"""The report's builder: from the results that notebooks hand over (`movierec.record`) to LaTeX and README tables.

results: read them; drift: compare fresh with recorded ones; tables: round and mark cells; latex, readme: write pages.
"""
