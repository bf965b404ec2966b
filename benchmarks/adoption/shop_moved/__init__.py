"""The shop's two hottest views by write functions: an app that its project adds, django-oscar untouched.

Product pages and searches write what was looked at, by receivers of signals. These hand the same over to the
writer, and the page is sent once the stream has accepted it.
"""
