"""Simple exchanges, made by script: what a visitor of the demonstration is likely to type.

All text here was written for this project (Apache-2.0). `make(rng)` gives one conversation.
"""

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

Pair = tuple[str, str]
Conversation = dict[str, Any]

# Lists of question forms, answers and words; any question of a group may get any answer of it.
_DATA: dict[str, Any] = json.loads(Path(__file__).with_name("exchanges.json").read_text())
SYSTEMS, UNKNOWN, BEYOND = _DATA["systems"], _DATA["unknown"], _DATA["beyond"]
TALK, PYTHON = _DATA["talk"], _DATA["python"]
CAPITALS, OPPOSITES, HELLO = _DATA["capitals"], _DATA["opposites"], _DATA["hello"]
WORDS, DAYS, MONTHS = _DATA["words"], _DATA["days"], _DATA["months"]
NUMBERS, ECHO = _DATA["numbers"], _DATA["echo"]


def _talk(rng: random.Random) -> Pair:
    questions, answers = rng.choice(TALK)
    return rng.choice(questions), rng.choice(answers)


def _greet(rng: random.Random) -> Pair:
    questions, answers = TALK[rng.choice((0, 0, 1, 2, 2, 3, 4, 4))]
    return rng.choice(questions), rng.choice(answers)


def _python(rng: random.Random) -> Pair:
    names, answers = rng.choice(PYTHON)
    forms: tuple[str, ...] = (
        "What is {} in Python?",
        "What is {}?",
        "Explain {} in Python.",
        "Explain {}.",
        "What are {} in Python?",
        "Tell me about {} in Python.",
        "How does {} work in Python?",
        "Describe {}.",
        "what is {} in python",
        "What does {} mean in Python?",
        "Can you explain {}?",
        "In Python, what is {}?",
    )
    return rng.choice(forms).format(rng.choice(names)), rng.choice(answers)


def _arithmetic(rng: random.Random) -> Pair:
    a, b = rng.randint(0, 12), rng.randint(0, 12)
    sign, word, value = rng.choice(
        (("+", "plus", a + b), ("-", "minus", a - b), ("*", "times", a * b))
    )
    question = rng.choice(
        (
            f"What is {a} {sign} {b}?",
            f"What is {a} {word} {b}?",
            f"{a} {sign} {b}",
            f"{a}{sign}{b}=?",
            f"How much is {a} {sign} {b}?",
            f"Calculate {a} {sign} {b}.",
            f"Compute {a} {word} {b}.",
            f"What is {a}{sign}{b}?",
        )
    )
    return question, f"{a} {word} {b} is {value}."


def _capital(rng: random.Random) -> Pair:
    country = rng.choice(list(CAPITALS))
    forms: tuple[str, ...] = (
        "What is the capital of {}?",
        "Capital of {}?",
        "Name the capital of {}.",
        "what is the capital of {}",
        "Which city is the capital of {}?",
        "Tell me the capital of {}.",
        "What's the capital of {}?",
    )
    return rng.choice(forms).format(country), f"The capital of {country} is {CAPITALS[country]}."


def _opposite(rng: random.Random) -> Pair:
    word, other = rng.choice(list(OPPOSITES.items()))
    if rng.random() < 0.5:
        word, other = other, word
    forms: tuple[str, ...] = (
        "What is the opposite of {}?",
        "Opposite of {}?",
        "Name the opposite of {}.",
    )
    return rng.choice(forms).format(word), f"The opposite of {word} is {other}."


def _words(rng: random.Random) -> Pair:
    kind = rng.choice(list(WORDS))
    count = rng.choice((2, 3, 3, 3, 4))
    words = WORDS[kind][:count] if rng.random() < 0.6 else tuple(rng.sample(WORDS[kind], count))
    forms: tuple[str, ...] = (
        "Name {} {}.",
        "List {} {}.",
        "Give me {} {}.",
        "Tell me {} {}.",
        "list {} {}",
        "What are {} {}?",
    )
    number = rng.choice((str(count), NUMBERS[count - 1]))
    answer = f"{', '.join(words[:-1])} and {words[-1]}."
    return rng.choice(forms).format(
        number, kind
    ), f"{NUMBERS[count - 1].capitalize()} {kind} are {answer}"


def _echo(rng: random.Random) -> Pair:
    text = rng.choice(ECHO)
    if rng.random() < 0.6:
        pool = " ".join(ECHO).split()
        text = " ".join(rng.choice(pool) for _ in range(rng.randint(1, 6)))
    forms: tuple[str, ...] = (
        "Repeat after me: {}",
        "Say: {}",
        "Repeat: {}",
        "Please repeat: {}",
        "Say {}",
        "Echo: {}",
    )
    return rng.choice(forms).format(text), text


def _translate(rng: random.Random) -> Pair:
    language, word = rng.choice(list(HELLO.items()))
    forms: tuple[str, ...] = (
        "How do you say hello in {}?",
        "Translate hello into {}.",
        "Say hello in {}.",
        "What is hello in {}?",
    )
    return rng.choice(forms).format(language), f"Hello in {language} is {word}."


def _order(rng: random.Random) -> Pair:
    names = rng.choice((DAYS, MONTHS))
    index = rng.randrange(len(names))
    step, word = rng.choice(((1, "after"), (-1, "before")))
    forms: tuple[str, ...] = ("What comes {} {}?", "Which one comes {} {}?", "What is {} {}?")
    answer = f"{names[(index + step) % len(names)]} comes {word} {names[index]}."
    return rng.choice(forms).format(word, names[index]), answer


def _count(rng: random.Random) -> Pair:
    last = rng.randint(3, 10)
    forms: tuple[str, ...] = (
        "Count to {}.",
        "Count from 1 to {}.",
        "Please count to {}.",
        "count to {}",
    )
    shown = rng.choice((str(last), NUMBERS[last - 1]))
    return rng.choice(forms).format(shown), ", ".join(str(n) for n in range(1, last + 1)) + "."


def _beyond(rng: random.Random) -> Pair:
    return rng.choice(BEYOND), rng.choice(UNKNOWN)


MAKERS: tuple[tuple[Callable[[random.Random], Pair], int], ...] = (
    (_talk, 22),
    (_greet, 14),
    (_python, 22),
    (_arithmetic, 9),
    (_capital, 9),
    (_opposite, 3),
    (_words, 5),
    (_echo, 9),
    (_translate, 2),
    (_order, 3),
    (_count, 2),
    (_beyond, 6),
)


def _vary(rng: random.Random, question: str) -> str:
    """What people do to a question: lower case, no final mark, a polite word before it."""
    if rng.random() < 0.15:
        question = question.lower()
    if rng.random() < 0.15:
        question = question.rstrip("?.!")
    if rng.random() < 0.08 and question[:1].isupper() and len(question) > 12:
        question = rng.choice(("Please: ", "Hello. ", "Hi! ", "Tell me: ")) + question
    return question


def _pair(rng: random.Random) -> list[dict[str, Any]]:
    maker = rng.choices([m for m, _ in MAKERS], [w for _, w in MAKERS])[0]
    question, answer = maker(rng)
    if maker is not _echo:
        question = _vary(rng, question)
    return [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]


def _tool(name: str, about: str, **properties: dict[str, Any]) -> dict[str, Any]:
    schema = {"type": "object", "properties": properties, "required": list(properties)}
    return {
        "type": "function",
        "function": {"name": name, "description": about, "parameters": schema},
    }


TEXT = {"type": "string"}
WHOLE = {"type": "integer"}
TOOLS = {
    "get_weather": _tool("get_weather", "Get the weather of a city", city=TEXT),
    "get_time": _tool("get_time", "Get the time in a city", city=TEXT),
    "add": _tool("add", "Add two numbers", a=WHOLE, b=WHOLE),
    "search": _tool("search", "Search the documentation", query=TEXT),
    "get_capital": _tool("get_capital", "Get the capital of a country", country=TEXT),
}


def _call(rng: random.Random) -> tuple[str, str, dict[str, Any], str, str]:
    """(tool, question, arguments, result, final answer)."""
    city = rng.choice([*CAPITALS.values()])
    match rng.choice(list(TOOLS)):
        case "get_weather":
            sky = rng.choice(("sunny", "cloudy", "rainy", "windy"))
            forms: tuple[str, ...] = (
                "What is the weather in {}?",
                "Weather in {}?",
                "How is the weather in {}?",
                "Is it raining in {}?",
            )
            return (
                "get_weather",
                rng.choice(forms).format(city),
                {"city": city},
                sky,
                f"It is {sky} in {city}.",
            )
        case "get_time":
            clock = f"{rng.randint(1, 12)}:{rng.randint(10, 59)}"
            forms = ("What time is it in {}?", "Time in {}?", "Tell me the time in {}.")
            return (
                "get_time",
                rng.choice(forms).format(city),
                {"city": city},
                clock,
                f"It is {clock} in {city}.",
            )
        case "add":
            a, b = rng.randint(0, 99), rng.randint(0, 99)
            forms = ("What is {} plus {}?", "Add {} and {}.", "{} + {}", "What is {} + {}?")
            return (
                "add",
                rng.choice(forms).format(a, b),
                {"a": a, "b": b},
                str(a + b),
                f"The sum is {a + b}.",
            )
        case "search":
            word = rng.choice([name for names, _ in PYTHON for name in names])
            forms = ("Search for {}.", "Find {} in the documentation.", "Look up {}.")
            return (
                "search",
                rng.choice(forms).format(word),
                {"query": word},
                f"{word} found",
                f"I found {word}.",
            )
        case _:
            country = rng.choice(list(CAPITALS))
            capital = CAPITALS[country]
            forms = ("What is the capital of {}?", "Capital of {}?", "Name the capital of {}.")
            answer = f"The capital of {country} is {capital}."
            return (
                "get_capital",
                rng.choice(forms).format(country),
                {"country": country},
                capital,
                answer,
            )


def _tool_use(rng: random.Random) -> Conversation:
    name, question, arguments, result, answer = _call(rng)
    others = rng.sample([n for n in TOOLS if n != name], rng.choice((0, 0, 1, 2)))
    tools = [TOOLS[n] for n in [name, *others]]
    rng.shuffle(tools)
    if rng.random() < 0.25:  # a question that needs none of the tools
        messages = _pair(rng) if rng.random() < 0.5 else _pair(rng) + _pair(rng)
        return {"messages": messages, "tools": tools}
    call = {"type": "function", "function": {"name": name, "arguments": arguments}}
    messages = [
        {"role": "user", "content": question},
        {"role": "assistant", "content": None, "tool_calls": [call]},
    ]
    if rng.random() < 0.7:
        content = result if rng.random() < 0.5 else json.dumps({"result": result})
        messages += [
            {"role": "tool", "content": content},
            {"role": "assistant", "content": answer},
        ]
    return {"messages": messages, "tools": tools}


def make(rng: random.Random) -> Conversation:
    """One conversation: mostly one exchange, at times several, at times with tools."""
    if rng.random() < 0.10:
        return _tool_use(rng)
    turns = rng.choices((1, 2, 3, 5, 20), (67, 18, 9, 3, 3))[0]
    messages = [message for _ in range(turns) for message in _pair(rng)]
    if rng.random() < 0.25:
        messages.insert(0, {"role": "system", "content": rng.choice(SYSTEMS)})
    return {"messages": messages}
