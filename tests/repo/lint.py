#!/usr/bin/python3
"""Repository lint: the rules of the house that a compiler does not check.

usage: tests/repo/lint.py [RULE ...]     without names: every rule; prints a line a finding, exit 1 on any
"""
import json
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent

# Layers of shared/ (a room includes its own and lower layers only); rooms of a program by what they may include.
SHARED_LAYER = {'rust': 0, 'base': 0, 'codec': 1, 'crypto': 2, 'wire': 2, 'store': 3, 'http': 3, 'policy': 3,
                'auth': 4, 'audit': 4, 'program': 5}
# Same-layer arrows that exist by design.
SHARED_ALSO = {('wire', 'crypto'), ('auth', 'http'), ('audit', 'store'), ('policy', 'crypto')}
ISSUER_MAY = {'api': {'session', 'appraise', 'passport', 'rvps', 'tee', 'collateral'}, 'passport': {'appraise', 'tee'},
              'appraise': {'tee', 'rvps'}, 'tee': {'collateral'}, 'collateral': set(), 'rvps': set(), 'session': set(),
              '': {'api', 'session', 'appraise', 'passport', 'rvps', 'tee', 'collateral'}}
BROKER_MAY = {'api': {'passport', 'release', 'vault', 'cleanroom'}, 'release': {'passport', 'vault', 'cleanroom'},
              'cleanroom': {'vault'}, 'passport': set(), 'vault': set(),
              '': {'api', 'passport', 'release', 'vault', 'cleanroom'}}
# Which room may see which library.
LIBRARY = [(r'event2/', {'shared/http'}), (r'civetweb\.h', {'shared/http'}), (r'curl/', {'shared/http'}),
           (r'openssl/ssl\.h|openssl/bio\.h', {'shared/http', 'shared/crypto'}),
           (r'openssl/', {'shared/crypto', 'shared/http'}), (r'sqlite3\.h|libpq', {'shared/store'}),
           (r'p11-kit/', {'shared/crypto'}), (r'sodium', {'shared/base', 'shared/crypto'}), (r'cjson/', {'shared/codec'}),
           (r'shared/rust/vd_rust\.h', {'shared/crypto', 'shared/codec', 'shared/policy'})]
# shared/http sees libssl; of libcrypto only what libssl's own interface needs.
HTTP_OPENSSL = {'openssl/ssl.h', 'openssl/err.h', 'openssl/x509.h', 'openssl/pem.h', 'openssl/bio.h', 'openssl/crypto.h'}

FORBIDDEN = ['strcpy', 'strcat', 'strncpy', 'strncat', 'sprintf', 'vsprintf', 'gets', 'strtok', 'atoi', 'atol',
             'sscanf', 'alloca', 'rand', 'random', 'gmtime', 'localtime', 'asctime', 'mktemp', 'system', 'popen',
             'getenv', 'setjmp', 'signal', 'cJSON_GetObjectItem', 'cJSON_Parse', 'memcmp']
# Rooms where a call is the point, with the reason.
ALLOWED = {'memcmp': ('shared/base/',)}
LONG_FILES = {}  # path -> why it is longer than 600 lines

NAMES_OF_MACHINES = re.compile(r'/work/(main|shared)|/root/\.|polyglot|\bclaude\b|\banthropic\b|language model', re.I)


def git_files():
    out = subprocess.run(['git', 'ls-files', '-co', '--exclude-standard'], cwd=ROOT, check=True, capture_output=True, text=True)
    return [ROOT / line for line in out.stdout.splitlines() if (ROOT / line).is_file()]


FILES = git_files()
ROOMS = ('shared/', 'issuer/', 'broker/', 'cli/')


def rel(path):
    return path.relative_to(ROOT).as_posix()


def sources(*suffixes):
    return [p for p in FILES if p.suffix in suffixes and rel(p).startswith(ROOMS)]


def stripped(text):
    """Code without comments and string contents, same line structure."""
    def blank(m):
        return re.sub(r'[^\n]', ' ', m.group(0))
    text = re.sub(r'/\*.*?\*/', blank, text, flags=re.S)
    return re.sub(r'"(\\.|[^"\\\n])*"', lambda m: '"' + ' ' * (len(m.group(0)) - 2) + '"', text)


def shared_arrow(room, target):
    if room == target or (room, target) in SHARED_ALSO:
        return True
    if target == 'rust':
        return room in ('crypto', 'codec', 'policy')
    return SHARED_LAYER[target] < SHARED_LAYER[room]


def arrow_ok(here, target):
    a, b = here.split('/'), target.split('/')
    room_a = a[1] if len(a) > 2 else ''
    room_b = b[1] if len(b) > 2 else ''
    if b[0] == 'tests':
        return False
    if a[0] == 'shared':
        return b[0] == 'shared' and shared_arrow(room_a, room_b)
    if b[0] == 'shared':
        return True
    if a[0] != b[0] or (room_b == 'api' and room_a not in ('', 'api')):
        return False
    if room_a == room_b:
        # a TEE folder includes no other except the common ones
        if room_a == 'tee' and len(a) > 3 and len(b) > 3 and a[2] != b[2]:
            return b[2] in ('dcap', 'eventlog', 'snp', 'tpm')
        return True
    may = {'issuer': ISSUER_MAY, 'broker': BROKER_MAY}.get(a[0])
    return may is None or room_b in may.get(room_a, set())


def rule_arrows():
    for path in sources('.c', '.h'):
        for i, line in enumerate(path.read_text().splitlines(), 1):
            m = re.match(r'\s*#\s*include\s+"([^"]+)"', line)
            if not m:
                continue
            target = m.group(1)
            if not target.startswith(ROOMS):
                yield f'{rel(path)}:{i}: include from the repository root, not "{target}"'
            elif not arrow_ok(rel(path), target):
                yield f'{rel(path)}:{i}: this room does not include {target}'


def rule_libraries():
    for path in sources('.c', '.h'):
        room = '/'.join(rel(path).split('/')[:2])
        for i, line in enumerate(path.read_text().splitlines(), 1):
            m = re.match(r'\s*#\s*include\s+[<"]([^>"]+)[>"]', line)
            if not m:
                continue
            for pattern, rooms in LIBRARY:
                if re.match(pattern, m.group(1)) and room not in rooms:
                    yield f'{rel(path)}:{i}: only {", ".join(sorted(rooms))} may include {m.group(1)}'
                    break
            if room == 'shared/http' and m.group(1).startswith('openssl/') and m.group(1) not in HTTP_OPENSSL:
                yield f'{rel(path)}:{i}: libcrypto is seen by shared/crypto only'


def rule_forbidden():
    calls = re.compile(r'(?<![\w.>])(' + '|'.join(FORBIDDEN) + r')\s*\(')
    for path in sources('.c', '.h'):
        for i, line in enumerate(stripped(path.read_text()).splitlines(), 1):
            for m in calls.finditer(line):
                if not rel(path).startswith(ALLOWED.get(m.group(1), ('\0',))):
                    yield f'{rel(path)}:{i}: forbidden call {m.group(1)}()'
            if re.search(r'\bmemset\s*\(', line) and re.search(r'\bfree\s*\(', line):
                yield f'{rel(path)}:{i}: memset before free may be removed: use vd_wipe'


def rule_text():
    for path in [p for p in FILES if p.suffix in ('.c', '.h') and rel(p).startswith(ROOMS + ('tests/',))]:
        text = path.read_text()
        for i, line in enumerate(stripped(text).splitlines(), 1):
            if '//' in line:
                yield f'{rel(path)}:{i}: comments are /* */'
        for i, line in enumerate(text.splitlines(), 1):
            if len(line) > 100 and 'clang-format off' not in text:
                yield f'{rel(path)}:{i}: {len(line)} columns'
            if line != line.rstrip() or '\t' in line:
                yield f'{rel(path)}:{i}: blanks at the end, or a tab'
        if not text.lstrip().startswith('/*'):
            yield f'{rel(path)}: no opening comment'
        if path.suffix == '.h' and '#pragma once' not in text:
            yield f'{rel(path)}: no #pragma once'
        if re.search(r'\b(TODO|FIXME|XXX)\b', text):
            yield f'{rel(path)}: unfinished work is an issue, not a comment'


def rule_length():
    for path in sources('.c', '.h'):
        n = len(path.read_text().splitlines())
        if n > 1000 or (n > 600 and rel(path) not in LONG_FILES):
            yield f'{rel(path)}: {n} lines'


def rule_headers():
    flags = ['-std=gnu17', '-D_GNU_SOURCE', '-DVD_WITH_SAMPLE=1', '-DVD_VERSION="0"', '-I.', '-fsyntax-only', '-Wall', '-Wextra',
             '-Werror', '-Wno-unused-function', '-isystem', '/usr/include/p11-kit-1']

    def alone(path):
        unit = f'#include "{rel(path)}"\n'
        p = subprocess.run(['gcc', *flags, '-x', 'c', '-'], cwd=ROOT, input=unit, capture_output=True, text=True)
        return None if p.returncode == 0 else f'{rel(path)}: does not compile alone: {p.stderr.splitlines()[0] if p.stderr else ""}'
    with ThreadPoolExecutor(2) as pool:
        yield from (m for m in pool.map(alone, sources('.h')) if m)


def table_rows(path, pattern):
    return re.findall(pattern, path.read_text())


def rule_errors():
    doc = ROOT / 'docs/errors.md'
    text = doc.read_text() if doc.exists() else ''
    header = (ROOT / 'shared/base/err.h').read_text()
    rows = re.findall(r'X\((\w+),\s*(\d+),\s*"([^"]+)",\s*(\d+),\s*"(\w+)",\s*(\d+),', header)
    if len(rows) < 50:
        yield 'shared/base/err.h: the error table was not understood'
    known = set()
    for _, number, slug, http, kbs, kbs_http in rows:
        known.add(slug)
        if f'| {number} | `{slug}` | {http} | {kbs} | {kbs_http} |' not in text:
            yield f'docs/errors.md: no row "| {number} | `{slug}` | {http} | {kbs} | {kbs_http} |"'
    for slug in re.findall(r'^\| \d+ \| `([^`]+)`', text, re.M):
        if slug not in known:
            yield f'docs/errors.md: {slug} is not in the table of errors'


def routes_of(paths):
    found = set()
    for path in paths:
        for method, pattern in re.findall(r'\{\s*VD_(GET|POST|PUT|DELETE),\s*"([^"]+)"', path.read_text()):
            found.add((method, pattern))
    return found


def rule_routes():
    common = [p for p in sources('.c') if rel(p).startswith('shared/program/')]
    for program in ('issuer', 'broker'):
        doc = ROOT / f'docs/api/{program}.json'
        if not doc.exists():
            yield f'docs/api/{program}.json is missing'
            continue
        api = json.loads(doc.read_text())
        described = {(m.upper(), p) for p, item in api['paths'].items() for m in item if m in ('get', 'post', 'put', 'delete')}
        served = routes_of([p for p in sources('.c') if rel(p).startswith(program + '/')] + common)
        served = {(m, re.sub(r'/\*$', '/{rest}', p)) for m, p in served}
        for m, p in sorted(served - described):
            yield f'docs/api/{program}.json: {m} {p} is served and not described'
        for m, p in sorted(described - served):
            yield f'docs/api/{program}.json: {m} {p} is described and not served'


def rule_configuration():
    doc = ROOT / 'docs/configuration.md'
    text = doc.read_text() if doc.exists() else ''
    keys = set()
    for path in sources('.c'):
        for key in re.findall(r'\.key\s*=\s*"([a-z_\[\].]+\.[a-z0-9_\[\].]+)"|^\s*\{\s*"([a-z_]+(?:\[\])?\.[a-z0-9_.\[\]]+)",\s*VD_SET_', path.read_text(), re.M):
            keys.add(key[0] or key[1])
    if len(keys) < 20:
        yield f'only {len(keys)} settings were found in the sources'
    for key in sorted(keys):
        if f'`{key}`' not in text:
            yield f'docs/configuration.md: the setting `{key}` is not described'


def rule_vectors():
    base = ROOT / 'tests/vectors'
    for folder in sorted(p for p in base.iterdir() if p.is_dir()):
        if not (folder / 'SOURCE').exists() and not list(folder.rglob('SOURCE')):
            yield f'tests/vectors/{folder.name}: no SOURCE (origin, licence)'


def rule_words():
    for path in FILES:
        if path.name == 'Cargo.lock' or rel(path) == 'tests/repo/lint.py' or rel(path).startswith(('tests/vectors/', 'tests/fuzz/corpus/')):
            continue
        try:
            text = path.read_text()
        except UnicodeDecodeError:
            continue
        for i, line in enumerate(text.splitlines(), 1):
            if NAMES_OF_MACHINES.search(line):
                yield f'{rel(path)}:{i}: names a machine or a tool of its making'


def rule_keys():
    for path in FILES:
        if rel(path).startswith(('tests/vectors/', 'tests/repo/', 'tests/fuzz/corpus/')) or path.stat().st_size > 4 << 20:
            continue
        head = path.read_bytes()
        if re.search(rb'-----BEGIN [A-Z ]*PRIVATE KEY-----\s*\n[A-Za-z0-9+/]{20}', head):
            yield f'{rel(path)}: holds a private key'


RULES = {name[5:]: fn for name, fn in list(globals().items()) if name.startswith('rule_')}


def main():
    names = sys.argv[1:] or list(RULES)
    findings = 0
    for name in names:
        for finding in RULES[name]():
            findings += 1
            print(f'{name}: {finding}')
    if findings:
        print(f'repository lint: {findings} findings')
        return 1
    print(f'{len(names)} checks passed')
    return 0


if __name__ == '__main__':
    sys.exit(main())
