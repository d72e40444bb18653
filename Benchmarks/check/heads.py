#!/usr/bin/env python3
"""How many HEADs a second `pail check` makes, beside curl's own parallel mode at the same concurrency, over the same keys of one SeaweedFS.

    python3 Benchmarks/check/heads.py --pail PATH [--tools DIR] [--objects N] [--parallel N] [--rounds N]

Both run by turns; the best round of each counts. Pail's time is that of the whole check, its start, its listing and its report included;
curl signs each request as well (--aws-sigv4). Ends with one line of JSON.
"""

import argparse
import json
import os
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "Tests", "Integration"))
sys.dont_write_bytecode = True


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--pail", required=True)
    parser.add_argument("--tools", default=os.environ.get("PAIL_TOOLS"))
    parser.add_argument("--objects", type=int, default=10_000)
    parser.add_argument("--parallel", type=int, default=96)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    import harness

    run = harness.Run(arguments.tools, os.path.abspath(arguments.pail), "pail", False, False, 1)
    try:
        server = run.server()
        bucket = server.make_bucket("heads")
        keys = [f"d{number % 10}/f{number:06}" for number in range(arguments.objects)]
        server.fast_client(bucket).put_many([(key, b"x") for key in keys])
        config = run.path("curl")
        with open(config, "w") as file:
            for key in keys:
                file.write(f'url = "{server.url}/{bucket}/{key}"\noutput = "/dev/null"\n')
        count = str(arguments.parallel)

        def curl():
            began = time.monotonic()
            done = subprocess.run(
                ["curl", "--silent", "--show-error", "--fail", "--head", "--parallel", "--parallel-max", count, "--parallel-immediate",
                 "--user", f"{harness.ACCESS_KEY}:{harness.SECRET_KEY}", "--aws-sigv4", f"aws:amz:{harness.REGION}:s3",
                 "--config", config], capture_output=True, text=True)
            harness.expect(done.returncode == 0, f"curl: {done.stderr[:500]}")
            return arguments.objects / (time.monotonic() - began)

        def pail():
            began = time.monotonic()
            done = subprocess.run(
                [run.pail, "check", f"s3://{bucket}", "--endpoint-url", server.url, "--state-dir", run.path("state"), "--parallel", count,
                 "--json", "--no-ask"], env=run.environment(), capture_output=True, text=True)
            seconds = time.monotonic() - began
            harness.expect(done.returncode == 0, f"pail check: {done.returncode} {done.stderr[:500]}")
            harness.expect(json.loads(done.stdout)["headersRead"] == arguments.objects, "not all headers were read")
            return arguments.objects / seconds

        rates = {"curl": [], "pail": []}
        for _ in range(arguments.rounds):
            rates["curl"].append(curl())
            rates["pail"].append(pail())
        best = {name: max(values) for name, values in rates.items()}
        print(json.dumps({
            "objects": arguments.objects, "parallel": arguments.parallel,
            "curl": [round(rate) for rate in rates["curl"]], "pail": [round(rate) for rate in rates["pail"]],
            "pailOfCurl": round(best["pail"] / best["curl"], 3)}))
    finally:
        run.close()


if __name__ == "__main__":
    main()
