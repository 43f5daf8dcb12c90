"""Files and command lines made to be expensive, or to get something wrong out of the three commands.

One module for each family; `all_cases` puts them together. `process` runs a command on one and measures it.
"""
