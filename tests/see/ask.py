#!/usr/bin/env python3
"""ask.py METHOD URL [HEADER:VALUE]...: prints the status, the content type and the body."""
import signal
import sys
import urllib.error
import urllib.request

signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # as cat has it: who reads on need not read all
method, url, *headers = sys.argv[1:]
request = urllib.request.Request(url, method=method, headers=dict(h.split(":", 1) for h in headers))
try:
    reply = urllib.request.urlopen(request, timeout=20)
except urllib.error.HTTPError as e:
    reply = e
print(reply.status, reply.headers.get("Content-Type"))
sys.stdout.write(reply.read().decode())
