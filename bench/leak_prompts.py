"""What is asked: four topics, each a list of subjects in several forms. Written for this project.

Every question is another one, and each comes with a seed, so that all ways of sending an answer
send the same one. The subject is kept with it: questions about one subject stay in one fold.
"""

import random
from dataclasses import dataclass, field

MAX_TOKENS = 220
TEMPERATURE = 0.7


@dataclass(frozen=True, kw_only=True)
class Question:
    """One question of a topic."""

    topic: str
    subject: str
    seed: int
    body: dict[str, object] = field(repr=False)


CAPITALS = (
    "France", "Germany", "Italy", "Spain", "Portugal", "England", "Ireland", "Norway", "Sweden",
    "Finland", "Denmark", "Poland", "Austria", "Switzerland", "Belgium", "Greece", "Turkey",
    "Russia", "Ukraine", "Hungary", "Romania", "Bulgaria", "Croatia", "Serbia", "Iceland",
    "Japan", "China", "India", "Canada", "Mexico", "Brazil", "Argentina", "Chile", "Peru",
    "Egypt", "Kenya", "Morocco", "Australia", "Thailand", "Vietnam",
)  # fmt: skip
CAPITAL_FORMS = (
    "What is the capital of {}?", "Capital of {}?", "Name the capital of {}.",
    "Which city is the capital of {}?", "Tell me the capital of {}.", "What's the capital of {}?",
    "Please name the capital of {}", "what is the capital of {}", "I forgot the capital of {}.",
    "Do you know the capital of {}?",
)  # fmt: skip

CONCEPTS = (
    "a list", "a tuple", "a dictionary", "a set", "a string", "an integer", "a float", "a boolean",
    "a function", "a class", "an object", "a method", "a module", "a package", "a loop",
    "a for loop", "a while loop", "a generator", "a decorator", "an exception", "a lambda",
    "a comprehension", "an iterator", "a variable", "an argument", "inheritance", "a thread",
    "asyncio", "a virtual environment", "pip", "a context manager", "the import statement",
    "None", "a docstring", "recursion", "an f-string", "slicing", "a type hint", "a dataclass",
    "a property",
)  # fmt: skip
CONCEPT_FORMS = (
    "What is {} in Python?", "Explain {} in Python.", "Tell me about {} in Python.",
    "How does {} work in Python?", "Describe {}.", "what is {} in python",
    "Can you explain {}?", "In Python, what is {}?", "Explain {}.", "What does {} mean in Python?",
)  # fmt: skip

FUNCTIONS = (
    "os.path.join", "os.listdir", "os.walk", "json.dumps", "json.loads", "re.sub", "re.compile",
    "subprocess.run", "socket.socket", "threading.Lock", "asyncio.gather", "itertools.chain",
    "functools.partial", "collections.deque", "collections.Counter", "datetime.datetime.now",
    "time.sleep", "random.choice", "math.sqrt", "statistics.mean", "pathlib.Path.glob",
    "shutil.copytree", "tempfile.mkdtemp", "logging.getLogger", "argparse.ArgumentParser",
    "csv.reader", "sqlite3.connect", "zipfile.ZipFile", "gzip.open", "hashlib.sha256",
    "hmac.new", "secrets.token_bytes", "ssl.create_default_context", "http.client.HTTPConnection",
    "urllib.parse.urlsplit", "email.message_from_bytes", "unittest.TestCase", "pickle.dumps",
    "struct.unpack", "heapq.heappush",
)  # fmt: skip
FUNCTION_FORMS = (
    "What does {} do?", "Document {}.", "Explain the function {}.", "How do I use {}?",
    "What is {} for?", "Describe {} and its arguments.", "Show me the documentation of {}.",
    "What does {} return?", "When should I use {}?", "what is {}",
)  # fmt: skip

HISTORY = (
    ("user", "Hello"),
    ("assistant", "Hello! How can I help you today?"),
    ("user", "What is a module in Python?"),
    ("assistant", "A module in Python is a file of code that other code can import."),
    ("user", "What is the import statement?"),
    ("assistant", "The import statement in Python loads a module so that you can use its names."),
)
"""Stands before questions about functions: a longer prompt takes longer to its first token."""

RECORDS = (
    "person", "user", "book", "film", "song", "city", "country", "animal", "plant", "car",
    "bicycle", "train", "ship", "house", "room", "chair", "meal", "recipe", "drink", "shop",
    "order", "invoice", "parcel", "letter", "message", "meeting", "course", "student",
    "teacher", "doctor", "patient", "visit", "ticket", "flight", "hotel", "game", "player",
    "team", "match", "weather report",
)  # fmt: skip
RECORD_FORMS = (
    "Make a {}.", "Invent a {}.", "Give me a {} as JSON.", "Write an example {}.",
    "Describe a {} with tags.", "One {}, please.", "Fill in a {}.", "A new {}.", "Random {}.",
    "Create the record of a {}.",
)  # fmt: skip
RECORD_SCHEMA = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 40},
        "count": {"type": "integer"},
        "tags": {"type": "array", "items": {"type": "string", "maxLength": 24}, "maxItems": 8},
    },
    "required": ["name", "count", "tags"],
}

TOPICS = {
    "capitals": (CAPITALS, CAPITAL_FORMS),
    "concepts": (CONCEPTS, CONCEPT_FORMS),
    "functions": (FUNCTIONS, FUNCTION_FORMS),
    "records": (RECORDS, RECORD_FORMS),
}


def questions(count: int) -> list[Question]:
    """Give so many questions, as many of each topic, in mixed order; always the same ones."""
    draw = random.Random(8)
    pairs = {}
    for topic, (subjects, forms) in TOPICS.items():
        pairs[topic] = [(subject, form) for form in forms for subject in subjects]
        draw.shuffle(pairs[topic])
    each = count // len(TOPICS)
    chosen = [
        _question(topic, subject, form, seed)
        for topic in TOPICS
        for seed, (subject, form) in enumerate(pairs[topic][:each])
    ]
    draw.shuffle(chosen)
    return chosen


def _question(topic: str, subject: str, form: str, seed: int) -> Question:
    before = HISTORY if topic == "functions" else ()
    turns = [*before, ("user", form.format(subject))]
    body: dict[str, object] = {
        "model": "demo",
        "stream": True,
        "seed": seed,
        "temperature": TEMPERATURE,
        "max_tokens": MAX_TOKENS,
        "messages": [{"role": role, "content": text} for role, text in turns],
    }
    if topic == "records":
        schema = {"name": "record", "schema": RECORD_SCHEMA}
        body["response_format"] = {"type": "json_schema", "json_schema": schema}
    return Question(topic=topic, subject=f"{topic}/{subject}", seed=seed, body=body)
