"""Reports as pages: the same facts as in the documents, with pictures and with all that there is."""
