"""The small interpreter against Python itself, on random programs; its limits; what it refuses."""

import json
import random
import subprocess
import sys
import warnings

import pytest

from currlab.sandbox import limits
from currlab.sandbox.evaluate import Evaluator
from currlab.sandbox.functions import FUNCTIONS, METHODS
from currlab.sandbox.limits import TooLargeError, size
from currlab.sandbox.subset import RefusedError, parse

ARGUMENTS = (3, -2, 0, [1, 2, 3], "ab", "", [], ["a", "b"], True, [[1], [2]])
LEAVES = (*"xyvws", "0", "1", "2", "3", "-1", "'a'", "'ab'", "[]", "[1,2]", "True", "None", "1.5")
OPERATORS = ("+", "-", "*", "//", "%", "**", "/", "&", "|", "^", "<<", ">>")
COMPARISONS = ("<", ">", "==", "!=", "<=", ">=", " in ", " not in ")
BRACKETS = (("[", "]"), ("{", "}"), ("sum(", ")"), ("sorted(", ")"), ("any(", ")"), ("tuple(", ")"))


def run(source, *arguments):
    return Evaluator(parse(source)).call(arguments)


def attempt(call, *arguments):
    """(value, "") or (None, name of the error)."""
    try:
        return call(*arguments), ""
    except Exception as error:
        return None, type(error).__name__


def same(a, b):
    if type(a) is not type(b):
        return False
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    return a == b or (a != a and b != b)


# ------------------------------------------------------------------ the same as Python


class Writer:
    """Writes random programs of the subset; most of what they do makes no sense."""

    def __init__(self, seed):
        self.rng = random.Random(seed)

    def program(self):
        lines = "".join(self.statement(1, 1) for _ in range(self.rng.randrange(1, 4)))
        return f"def f(x):\n y=3; v=[1,2]; w='ab'; s=2\n{lines} return {self.expression(3)}\n"

    def statement(self, depth, indent):
        space, pick = " " * indent, self.rng.choice
        kind = self.rng.randrange(8 if depth else 5)
        inner = self.statement(depth - 1, indent + 1) if kind > 4 else ""
        return {
            3: f"{space}{pick('xyvws')}{pick(['+=', '-=', '*=', '|='])}{self.expression(2)}\n",
            4: f"{space}return {self.expression(2)}\n",
            5: f"{space}if {self.expression(2)}:\n{inner}{space}else: pass\n",
            6: f"{space}for {pick([*'xyv', 'v,w'])} in {self.expression(2)}:\n{inner}",
            7: f"{space}while {self.expression(2)}:\n{inner}{space} {pick(['break', 'y=0;break'])}\n",
        }.get(kind, f"{space}{pick('xyvws')}={self.expression(2)}\n")

    def expression(self, depth):
        if depth == 0 or self.rng.random() < 0.25:
            return self.rng.choice(LEAVES)
        pick, e = self.rng.choice, lambda: self.expression(depth - 1)
        several = lambda n: ",".join(e() for _ in range(n))  # noqa: E731
        kind = self.rng.randrange(12)
        if kind < 3:
            return f"({e()}{pick(OPERATORS)}{e()})"
        if kind == 11:
            opened, closed = pick(BRACKETS)
            more = pick(["", f" if {e()} ", f" for {pick('xyv')} in {e()}"])
            return f"{opened}{e()} for {pick('xyvws')} in {e()}{more}{closed}"
        return {
            3: lambda: f"({e()}{pick(COMPARISONS)}{e()})",
            4: lambda: f"({e()} {pick(['and', 'or'])} {e()})",
            5: lambda: f"({e()} if {e()} else {e()})",
            6: lambda: f"{pick(['-', 'not ', '+', '~'])}({e()})",
            7: lambda: f"{pick([*FUNCTIONS])}({several(pick([1, 1, 1, 2]))})",
            8: lambda: f"({e()}).{pick([*METHODS])}({several(pick([0, 0, 1, 1, 2]))})",
            9: lambda: f"({e()})[{pick([e(), f':{e()}', f'{e()}:', f'::{e()}'])}]",
            10: lambda: f"[{several(self.rng.randrange(4))}]",
        }[kind]()


def python(source):
    """The function as Python understands it; the programs are this file's own."""
    names = {}
    exec(source, names)
    return names["f"]


# Stricter than Python: the limits, formatting with %, and += on what Python changes in place.
STRICTER = {"OutOfStepsError", "TooLargeError", "RecursionError"}


def test_random_programs_do_what_python_does():
    """Equal results, and errors where Python has errors."""
    equal = differ = 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for seed in range(1500):
            source = Writer(seed).program()
            function, _ = attempt(parse, source)
            if function is None:
                continue
            theirs = python(source)
            for argument in ARGUMENTS:
                copy = json.loads(json.dumps(argument))
                value, error = attempt(Evaluator(function).call, [argument])
                if error in STRICTER:
                    continue
                expected, its_error = attempt(theirs, copy)
                if error == "TypeError" and not its_error:
                    assert "%" in source or "+=" in source or "|=" in source, source
                    continue
                assert bool(error) == bool(its_error), (source, argument, error, its_error)
                assert same(value, expected), (source, argument, value, expected)
                equal += not error
                differ += error != its_error
    assert equal > 1000
    assert differ < equal / 4  # which of two errors comes first is not promised


@pytest.mark.parametrize(
    ("source", "argument", "expected"),
    [
        ("def f(x):\n y=0\n for i in range(x): y+=i\n return y", 5, 10),
        ("def f(x):\n while x>9: x=x//10\n return x", 734, 7),
        ("def f(x): return 1 if x<2 else x*f(x-1)", 10, 3628800),
        ("def f(x): return f(x-1)+f(x-2) if x>1 else x", 9, 34),
        ("def f(x):\n a,b=0,1\n for _ in range(x): a,b=b,a+b\n return a", 50, 12586269025),
        ("def f(x): return ''.join(sorted(set(x)))", "banana", "abn"),
        ("def f(x): return [a*b for a in x for b in x if a<b]", [1, 2, 3], [2, 3, 6]),
        ("def f(x): return [b for a,b in zip(x,x[1:]) if b>a]", [1, 3, 2, 4], [3, 4]),
        ("def f(x): return sum(i*v for i,v in enumerate(x))", [5, 6, 7], 20),
        ("def f(x): return x==x[::-1]", "level", True),
        ("def f(x): return max(x,default=7)", [], 7),
        ("def f(x): return sorted(x,reverse=True)[:2]", [3, 9, 4], [9, 4]),
        ("def f(x): return x and x[0].upper()+x[1:]", "", ""),
        ("def f(x): return 1<x<=5!=x", 5, False),
        ("def f(x):\n for c in x:\n  if c>'b': return c\n", "abcd", "c"),
        ("def f(x): pass", 1, None),
        ("def f(x): return all(x%d for d in range(2,x))", 13, True),
        ("def f(x): return int(str(x)[::-1])", 120, 21),
    ],
)
def test_what_short_programs_are_made_of(source, argument, expected):
    assert same(run(source, argument), expected)
    assert same(python(source)(argument), expected)


def test_several_and_no_arguments():
    assert run("def f(x,y): return x-y", 5, 3) == 2
    assert run("def f(): return 7") == 7
    with pytest.raises(TypeError):
        run("def f(x): return x", 1, 2)


# ------------------------------------------------------------------ limits


def test_a_call_has_its_steps_and_a_program_has_its_own():
    looping = Evaluator(parse("def f(x):\n while x: pass\n return 1"))
    ended = [attempt(looping.call, [x]) for x in (1, 0, 1, 1, 1, 0, 1)]
    gone, fine = (None, "OutOfStepsError"), (1, "")
    # Four endless calls use up what there is for all; nothing is left for the calls behind them.
    assert ended[:4] == [gone, fine, gone, gone]
    assert ended[4:] == [gone, gone, gone]
    costs = limits.STEPS_A_PROGRAM // limits.STEPS_A_CALL
    assert costs == 4


def test_steps_do_not_depend_on_the_machine():
    """The longest loop that ends is the same, to the step, in another process."""
    code = (
        "from currlab.sandbox.evaluate import Evaluator; from currlab.sandbox.subset import parse\n"
        "function = parse('def f(x):\\n y=0\\n for i in range(x): y+=i*i\\n return y')\n"
        "try:\n"
        "    for n in range(300, 3000, 3):\n"
        "        Evaluator(function).call([n])\n"
        "except Exception as error:\n"
        "    print(n, type(error).__name__)\n"
    )
    runs = {
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout
        for _ in range(2)
    }
    assert len(runs) == 1
    longest, error = runs.pop().split()
    assert int(longest) > 300
    assert error == "OutOfStepsError"


def test_sizes():
    assert [size(v) for v in (1, True, None, 2.5, "", "abc", [], [1, [2, "x"]], range(5))] == [
        *(1, 1, 1, 1),
        *(1, 4, 1, 8, 6),
    ]
    shared = [0] * 9
    for _ in range(4):
        shared = [shared] * 9
    for value in (2**1025, "a" * 5000, shared, [[[[[[[[[[]]]]]]]]]], range(10**9)):
        with pytest.raises(TooLargeError):
            size(value)
    for value in (1j, b"", {}, object(), slice(1), ..., iter([])):
        with pytest.raises(TypeError):
            size(value)


@pytest.mark.parametrize(
    ("source", "error"),
    [
        ("def f(x): return 2**1023", ""),
        ("def f(x): return 2**1025", "TooLargeError"),
        ("def f(x): return [0]*4000", ""),
        ("def f(x): return [0]*5000", "TooLargeError"),
        ("def f(x): return 'a'*4900", ""),
        ("def f(x): return 'a'*10**9*0", "TooLargeError"),
        ("def f(x): return f(x-1) if x else 0", ""),
        ("def f(x): return f(x-1) if x+99 else 0", "RecursionError"),
        ("def f(x): return '%d' % x", "TypeError"),
        ("def f(x): return y\n", "NameError"),
        ("def f(x):\n if 0: y=1\n return y", "UnboundLocalError"),
        ("def f(x): return x.upper()", "AttributeError"),
        ("def f(x): return 1//0", "ZeroDivisionError"),
        ("def f(x): return [][0]", "IndexError"),
    ],
)
def test_a_program_at_its_limits(source, error):
    assert attempt(run, source, 30)[1] == error


def test_arguments_are_not_changed():
    argument = [3, 1, 2]
    assert run("def f(x):\n x=sorted(x)\n y=x*2\n return y[::-1]", argument) == [3, 2, 1, 3, 2, 1]
    assert argument == [3, 1, 2]
    with pytest.raises(TypeError, match="in-place"):
        run("def f(x):\n x+=[1]\n return x", argument)


# ------------------------------------------------------------------ what is refused


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("x" * 501, "longer than 500"),
        ("def f(x): return 'é'", "printable ASCII"),
        ("def f(x): return (", "not Python"),
        ("f = 1", "one function"),
        ("def g(x): return x", "must be 'def f"),
        ("def f(x=1): return x", "must be 'def f"),
        ("def f(x):\n import os\n return x", "Import is outside"),
        ("def f(x): return {1: 2}", "Dict is outside"),
        ("def f(x): return x.__doc__", "an attribute that is not called"),
        ("def f(x): return x.format()", "a method that is not listed"),
        ("def f(x): return a__b", "two underscores"),
        ("def f(x): return eval('1')", "a function that is not listed"),
        ("def f(len): return len(len)", "a function that is not listed"),
        ("def f(x): return x(1)", "a function that is not listed"),
        ("def f(x): return [len][0](x)", "something else than a function"),
        ("def f(x): return max(x, key=len)", "a keyword argument"),
        ("def f(x): return b'a'", "a constant that is no"),
        ("def f(x): return zip(x, x)", "not used up on the spot"),
        ("def f(x): return (v for v in x)", "not used up on the spot"),
        ("def f(x):\n x[0]=1\n return x", "something else than a variable"),
        ("def f(x):\n for x[0] in x: pass", "something else than a variable"),
        ("def f(x):\n while x: x=0\n else: x=1\n return x", "a loop with else"),
        ("def f(x):\n break", "outside a loop"),
        ("def f(x, x): return x", "two parameters"),
        ("def f(x): return " + "-" * 60 + "x", "nested deeper"),
        ("def f(x): return f'{x}'", "JoinedStr is outside"),
        ("def f(x): return [v async for v in x]", "asynchronous"),
    ],
)
def test_refusals_say_why_and_quote_nothing(source, reason):
    with pytest.raises(RefusedError, match=reason):
        parse(source)
