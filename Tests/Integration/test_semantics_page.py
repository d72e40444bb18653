import os
import re

from harness import expect, expect_equal

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
PAGE = os.path.join(ROOT, "Documentation", "SEMANTICS.md")

TAG = re.compile(r"\[test: ([^\]]*)\]")
SUITE = re.compile(r"^( *)(?:@Suite\b.*)?\b(?:struct|class|enum|actor) (\w+)")
NONE = "none yet"


def swift_tests():
    """`Suite/function` of each function behind a @Test, by the indentation that `swift format` keeps."""
    found = set()
    for path, _, names in os.walk(os.path.join(ROOT, "Tests")):
        for name in names:
            if not name.endswith(".swift"):
                continue
            with open(os.path.join(path, name), encoding="utf-8") as file:
                found |= tests_in(file.read())
    return found


def tests_in(text):
    """The tests of one source file. A test belongs to the last type begun at a smaller indentation than its own."""
    found, types, is_test = set(), [], False
    for line in text.split("\n"):
        indentation = len(line) - len(line.lstrip())
        if line.strip() == "}":
            types = [entry for entry in types if entry[0] < indentation]
        if match := SUITE.match(line):
            types = [entry for entry in types if entry[0] < indentation] + [(indentation, match[2])]
        if "@Test" in line:
            is_test = True
        function = re.search(r"\bfunc (\w+)\(", line)
        if is_test and function and not line.lstrip().startswith("//"):
            if types:
                found.add(f"{types[-1][1]}/{function[1]}")
            is_test = False
    return found


def integration_tests():
    """The functions that run.py takes for tests."""
    found = set()
    for name in os.listdir(HERE):
        if re.fullmatch(r"test_\w+\.py", name):
            with open(os.path.join(HERE, name), encoding="utf-8") as file:
                found |= set(re.findall(r"^def (test_\w+)\(run\):", file.read(), re.MULTILINE))
    return found


def problems_of(page, tests):
    """What is wrong with the page: (line number, text)."""
    problems = []
    for number, line in enumerate(page.split("\n"), 1):
        if line.startswith("- ") and not re.search(TAG.pattern + "$", line):
            problems.append((number, "a promise that names no test"))
        for tag in TAG.findall(line):
            named = [name.strip() for name in tag.split(",")]
            if named == [NONE]:
                continue
            problems += [(number, f'there is no test "{name}"') for name in named if name not in tests]
        if "[test:" in TAG.sub("", line):
            problems.append((number, "a test's name does not end"))
    return problems


def test_semantics_page(run):
    """Each promise of Documentation/SEMANTICS.md names the tests that execute it, or says that there is none, and each test that
    it names exists."""
    swift, integration = swift_tests(), integration_tests()
    # The check itself: it knows tests by sight, in one line and over several, and what is none.
    for known in ["ErrnoMappingTests/kinds", "ModelTests/oneMount", "MountEndTests/signalsDrainAndUnmount"]:
        expect(known in swift, f"{known} is not recognised as a test")
    expect("MountEndTests/prepare" not in swift, "a function inside a test is taken for a test")
    expect("test_semantics_page" in integration, "this test is not recognised")
    tests = swift | integration
    wrong = "- a [test: ModelTests/oneMount]\n- b [test: ModelTests/noSuch]\n- c\n- d [test: none yet]\n- e [test: test_no, none yet]"
    expect_equal([number for number, _ in problems_of(wrong, tests)], [2, 3, 5, 5], "lines that are wrong in a page of five")

    with open(PAGE, encoding="utf-8") as file:
        page = file.read()
    found = problems_of(page, tests)
    expect(not found, "".join(f"\n     SEMANTICS.md:{number}: {text}" for number, text in found))
    promises = [line for line in page.split("\n") if line.startswith("- ")]
    expect(len(promises) >= 60, f"only {len(promises)} promises were found")
    untested = sum(f"[test: {NONE}]" in line for line in promises)
    run.note(f"{len(promises)} promises, {len(promises) - untested} with tests")


def test_documentation_paths(run):
    """Links between the pages of the documentation lead somewhere, and the files and folders of the project that they name exist."""
    problems, seen = [], 0
    folder = os.path.join(ROOT, "Documentation")
    pages = [os.path.join(ROOT, "README.md")] + [os.path.join(folder, name) for name in sorted(os.listdir(folder)) if name.endswith(".md")]
    for path in pages:
        with open(path, encoding="utf-8") as file:
            text = file.read()
        named = [(os.path.dirname(path), link.split("#")[0]) for link in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in link]
        named += [(ROOT, name) for name in re.findall(r"`((?:Sources|Tests|Benchmarks|Documentation|packaging)/[\w./+-]*)`", text)]
        for base, name in named:
            seen += 1
            if name and not os.path.exists(os.path.join(base, name)):
                problems.append(f"{os.path.relpath(path, ROOT)} names {name}, which is not there")
    expect(not problems, "".join("\n     " + problem for problem in problems))
    expect(seen >= 20, f"only {seen} links and paths were found")
