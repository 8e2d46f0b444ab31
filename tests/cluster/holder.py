"""holder.py SOCKET NAME: writes to the resource every few ms, with the fencing token of the lock it runs under."""
import os
import socket
import sys
import time

TOKEN = os.environ["VERTX_CLUSTER_FENCING_TOKEN"]
with socket.socket(socket.AF_UNIX) as resource:
    resource.connect(sys.argv[1])
    while True:
        resource.sendall(("%s %s\n" % (sys.argv[2], TOKEN)).encode())
        if not resource.recv(16):
            break
        time.sleep(0.005)
