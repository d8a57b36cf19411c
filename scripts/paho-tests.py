#!/usr/bin/env python3
"""Runs eclipse-paho's interoperability tests of MQTT brokers against a broker that runs already.

The tests are not part of this repository: fetch `paho.mqtt.testing` and name its folder. Each test runs in a process of
its own with a time limit, as some wait for ever where they should fail. How to use it: docs/interoperability.md."""

import argparse
import importlib
import logging
import os
import subprocess
import sys
import time
import unittest

# Version of MQTT: the suite's module, and what stands before every topic in it.
SUITES = {"3.1.1": ("client_test", ""), "5.0": ("client_test5", "client_test5/")}
TOPICS = ["TopicA", "TopicA/B", "Topic/C", "TopicA/C", "/TopicA"]
FILTERS = ["TopicA/+", "+/C", "#", "/#", "/+", "+/+", "TopicA/#"]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", help="where paho.mqtt.testing was fetched to")
    parser.add_argument("tests", nargs="*", help="names of tests (default: all)")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=1883)
    parser.add_argument("--mqtt", choices=list(SUITES), action="append", help="only this version (default: both)")
    parser.add_argument("--limit-s", type=float, default=60, help="seconds that one test may take (default: 60)")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


def load(folder, version):
    """The suite of a version; it finds its own parts beside it."""
    path = os.path.join(folder, "interoperability")
    module, _ = SUITES[version]
    if not os.path.exists(os.path.join(path, module + ".py")):
        sys.exit(f"error: {path}/{module}.py is not there: fetch eclipse-paho/paho.mqtt.testing and name its folder")
    sys.path.insert(0, path)
    return importlib.import_module(module)


def run_here(options):
    """Runs one test in this process."""
    (version,), (name,) = options.mqtt, options.tests
    suite = load(options.folder, version)
    _, prefix = SUITES[version]
    # What the suite sets when it is started as a program.
    suite.host, suite.port, suite.topic_prefix = options.host, options.port, prefix
    suite.topics = [prefix + topic for topic in TOPICS]
    suite.wildtopics = [prefix + topic_filter for topic_filter in FILTERS]
    suite.nosubscribe_topics = ("test/nosubscribe",)
    logging.getLogger().setLevel(logging.ERROR)
    result = unittest.TextTestRunner(stream=sys.stdout).run(unittest.TestSuite([suite.Test(name)]))
    sys.stdout.flush()
    # Threads of the suite that never end shall not keep the process.
    os._exit(0 if result.wasSuccessful() and result.testsRun == 1 else 1)


def run_apart(options, version, name):
    """Runs one test in a process of its own; gives the verdict, the seconds and what it said."""
    command = [sys.executable, os.path.abspath(__file__), os.path.abspath(options.folder), name, "--child"]
    command += ["--mqtt", version, "--host", options.host, "--port", str(options.port)]
    began = time.monotonic()
    try:
        # The suite writes files where it stands.
        done = subprocess.run(command, cwd=os.path.join(options.folder, "interoperability"), timeout=options.limit_s,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
        verdict, said = "passed" if done.returncode == 0 else "FAILED", done.stdout
    except subprocess.TimeoutExpired as late:
        verdict, said = "HANGS", (late.stdout or b"").decode(errors="replace")
    return verdict, time.monotonic() - began, said


def main():
    options = arguments()
    if options.child:
        run_here(options)
    failed, rows = [], []
    for version in options.mqtt or SUITES:
        names = unittest.defaultTestLoader.getTestCaseNames(load(options.folder, version).Test)
        for name in (name for name in names if not options.tests or name in options.tests):
            verdict, seconds, said = run_apart(options, version, name)
            rows.append(verdict == "passed")
            print(f"{version:<6} {name:<36} {verdict:<7} {seconds:6.1f} s", flush=True)
            if verdict != "passed":
                failed.append((version, name, said))
    for version, name, said in failed:
        print(f"\n--- {version} {name}\n" + "\n".join(said.splitlines()[-20:]))
    print(f"\n{sum(rows)} of {len(rows)} passed")
    sys.exit(1 if failed or not rows else 0)


if __name__ == "__main__":
    main()
