"""Files on shares, web servers and in buckets, through fsspec and the libraries that it uses.

Imported only when a URL is given: the libraries are the extra `windbg-ext[remote]`.
"""
