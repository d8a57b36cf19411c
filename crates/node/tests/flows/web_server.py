# An independent HTTP server: takes every POST, and writes path and body of each as one line.
# Its first line is the port that the system chose. It answers nobody while the file that is named to it is there.

import http.server
import os
import sys
import time

GATE = sys.argv[1]


class Server(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"])).decode()
        print(self.path, body, flush=True)
        while os.path.exists(GATE):
            time.sleep(0.01)
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
print(server.server_port, flush=True)
server.serve_forever()
