"""Rules of the source tree, read from the source files: imports, annotations, sizes, words."""

from __future__ import annotations

import ast
import re
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("skyreel", "survey_profiles", "simulator", "classifier", "finetune")
"""From left to right: a package imports itself and packages to its left only."""

LONGEST_FUNCTION = 40
MOST_REPEATED_NAMES = 12
MOST_NOQA = 8

NOT_YET_ANNOTATED: tuple[str, ...] = ()
NOT_YET_IN_PLAIN_WORDS: tuple[str, ...] = ()

PRIVATE_WORDS = (
    r"pupils?",
    r"contenders?",
    r"tell(s|ing)?|told",
    r"taught|teach(es|ing)?|lessons?",
    r"showings?",
    r"portraits?",
    r"partners?",
    r"committees?",
    r"mended",
    r"by heart",
    r"begun again",
    r"movies?|films?",
    r"bought",
    r"lopsided(ness)?(?!_)",
    r"nobody",
)
QUOTED_NAME = re.compile(r'"[\w.-]*"')
"""Names in files of earlier versions stay in the code, as strings of one word."""

TENSOR_LIBRARIES = ("keras", "tensorflow", "torch", "jax")


def modules() -> list[Path]:
    return [path for name in PACKAGES for path in sorted((ROOT / name).rglob("*.py"))]


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(path): path for path in modules()}


def imports(nodes):
    """(module, names, line) of all imports among nodes."""
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from ((alias.name, (), node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module, tuple(alias.name for alias in node.names), node.lineno


def for_type_checking(node) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)


def run_on_import(body):
    """Statements that run when a module is imported."""
    for node in body:
        if for_type_checking(node) or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        yield node
        for part in ("body", "orelse", "finalbody"):
            yield from run_on_import(getattr(node, part, []))


def imported_modules(path: Path) -> set[str]:
    """Modules of the project that are imported when this one is."""
    found = set()
    for module, names, _ in imports(run_on_import(tree(path).body)):
        inside = {f"{module}.{name}" for name in names} & set(MODULES)
        found |= inside or ({module} & set(MODULES))
    return found - {name_of(path)}


def where(path: Path, line: int) -> str:
    return f"{path.relative_to(ROOT)}:{line}"


def none_left(offenders) -> None:
    """Fail with the whole list."""
    found = list(offenders)
    if found:
        pytest.fail(f"{len(found)} places:\n" + "\n".join(found), pytrace=False)


def imports_from_the_right(path: Path):
    package = path.relative_to(ROOT).parts[0]
    if path == ROOT / "skyreel" / "cli.py":  # the one command that runs all others
        return
    allowed = PACKAGES[: PACKAGES.index(package) + 1]
    for module, _, line in imports(ast.walk(tree(path))):
        top = module.split(".")[0]
        if top in PACKAGES and top not in allowed:
            yield f"{where(path, line)} imports {module}"
        if top in TENSOR_LIBRARIES and package in PACKAGES[:3]:
            yield f"{where(path, line)} imports {module}"


def test_packages_import_only_packages_to_their_left():
    none_left(line for path in modules() for line in imports_from_the_right(path))


def circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """Groups of modules that import each other (Tarjan's strongly connected components)."""
    index, low, stack, found = {}, {}, [], []

    def visit(node):
        index[node] = low[node] = len(index)
        stack.append(node)
        for other in graph.get(node, ()):
            if other not in index:
                visit(other)
            if other in stack:
                low[node] = min(low[node], low[other])
        if low[node] == index[node]:
            cut = stack.index(node)
            found.append(stack[cut:])
            del stack[cut:]

    for node in graph:
        if node not in index:
            visit(node)
    return [group for group in found if len(group) > 1]


def test_circles_are_found():
    graph = {"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"a"}}
    assert [sorted(group) for group in circles(graph)] == [["b", "c"]]


def test_no_modules_import_each_other():
    graph = {name: imported_modules(path) for name, path in MODULES.items()}
    none_left(" <-> ".join(sorted(group)) for group in circles(graph))


def functions(path: Path):
    return [node for node in ast.walk(tree(path)) if isinstance(node, ast.FunctionDef)]


def is_public(name: str) -> bool:
    return not name.startswith("_") or name in ("__init__", "__call__")


def public_functions(path: Path):
    """(function, whether its first argument is the object or class)."""
    for node in tree(path).body:
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            yield node, False
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            for member in node.body:
                if isinstance(member, ast.FunctionDef) and is_public(member.name):
                    decorators = {ast.unparse(decorator) for decorator in member.decorator_list}
                    yield member, "staticmethod" not in decorators


def unannotated(function: ast.FunctionDef, bound: bool) -> list[str]:
    a = function.args
    named = [*a.posonlyargs, *a.args][bound:] + a.kwonlyargs
    every = [*named, *(extra for extra in (a.vararg, a.kwarg) if extra)]
    missing = [argument.arg for argument in every if argument.annotation is None]
    if function.returns is None and function.name != "__init__":
        missing.append("return")
    return missing


def test_public_functions_are_fully_annotated():
    none_left(
        f"{where(path, function.lineno)} {function.name}: {', '.join(missing)}"
        for path in modules()
        if str(path.relative_to(ROOT)) not in NOT_YET_ANNOTATED
        for function, bound in public_functions(path)
        if (missing := unannotated(function, bound))
    )


def body_lines(function: ast.FunctionDef) -> int:
    """Lines of the statements, without signature and docstring."""
    body = function.body[1:] if ast.get_docstring(function) else function.body
    return function.end_lineno - body[0].lineno + 1 if body else 0


def test_functions_are_shorter_than_40_lines():
    none_left(
        f"{where(path, f.lineno)} {f.name}: {body_lines(f)} lines"
        for path in modules()
        for f in functions(path)
        if body_lines(f) >= LONGEST_FUNCTION
    )


def test_few_modules_share_a_name():
    count = Counter(path.name for path in modules() if path.name != "__init__.py")
    repeated = sorted(name for name, n in count.items() if n > 1)
    assert len(repeated) <= MOST_REPEATED_NAMES, repeated


def lines_with(pattern: str, paths):
    expression = re.compile(pattern)
    for path in paths:
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if expression.search(QUOTED_NAME.sub("", line)):
                yield f"{where(path, number)} {line.strip()}"


def python_files() -> list[Path]:
    folders = (*PACKAGES, "benchmarks", "examples", "tests")
    return [path for name in folders for path in sorted((ROOT / name).rglob("*.py"))]


def test_formatting_has_hardly_any_exceptions():
    none_left(lines_with(r"#\s*fmt:\s*(skip|off)", python_files()))
    exceptions = list(lines_with(r"#\s*noqa", python_files()))
    assert len(exceptions) <= MOST_NOQA, "\n".join(exceptions)


def documents() -> list[Path]:
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def test_words_are_those_of_the_field():
    pattern = r"(?i)(?<![a-z.])(" + "|".join(PRIVATE_WORDS) + r")(?![a-z])"
    paths = [
        path
        for path in (*python_files(), *documents())
        if path != Path(__file__) and str(path.relative_to(ROOT)) not in NOT_YET_IN_PLAIN_WORDS
    ]
    none_left(lines_with(pattern, paths))


def test_tests_import_helpers_and_no_other_tests():
    none_left(
        f"{where(path, line)} imports {module}"
        for path in sorted((ROOT / "tests").rglob("*.py"))
        for module, _, line in imports(ast.walk(tree(path)))
        if module.startswith("tests.") and not module.startswith("tests.helpers.")
    )
