"""Types into a real shell on a terminal of its own, as a person does, and shows what it answers.

Standard input: JSON with
  argv    the shell
  env     its variables
  setup   a command line that is run first
  keys    what is typed then; a tab asks for completion
  until   texts, all of which the shell has to show behind that
Prints what the shell showed behind the setup. Exit code 0: all texts came; 1: not in time.
"""

import json
import os
import pty
import re
import select
import signal
import sys
import time

WAIT_S = 250
# A completion that has no answer in time shows nothing: then the line is typed again, as a person does.
PATIENCE_S = 10
CLEAR_LINE = "\x15"
# Spelled so that the shell's echo of the command does not count as its output.
READY = "ready-$((40 + 2))"
SHOWN = "ready-42"


def main():
    asked = json.load(sys.stdin)
    pid, terminal = pty.fork()
    if pid == 0:
        os.execvpe(asked["argv"][0], asked["argv"], {**os.environ, **asked["env"]})
    shown = ""

    def read_until(holds, wait_s=WAIT_S):
        nonlocal shown
        end = time.monotonic() + wait_s
        while not holds(plain(shown)):
            left = end - time.monotonic()
            if left <= 0:
                return False
            if not select.select([terminal], [], [], left)[0]:
                return False
            try:
                data = os.read(terminal, 65536)
            except OSError:
                return holds(plain(shown))
            if not data:
                return holds(plain(shown))
            shown += data.decode("utf-8", "replace")
        return True

    def send(text):
        os.write(terminal, text.encode())

    ready = READY if asked["argv"][0] != "fish" else "ready-(math 40 + 2)"
    send(asked["setup"] + "; echo " + ready + "\n")
    if not read_until(lambda text: SHOWN in text):
        print(shown)
        return 1
    shown = ""
    send(asked["keys"])
    end = time.monotonic() + WAIT_S
    came = False
    while not came and time.monotonic() < end:
        came = read_until(lambda text: all(each in text for each in asked["until"]), PATIENCE_S)
        if not came:
            send(CLEAR_LINE + asked["keys"])
    print(plain(shown))
    os.kill(pid, signal.SIGKILL)
    return 0 if came else 1


def plain(text):
    """Without what moves the cursor or colours."""
    return re.sub(r"\x1b(\[[0-9;?>=]*[A-Za-z]|\][^\x07]*\x07|[=>()][0B]?)|\x08|\r", "", text)


sys.exit(main())
