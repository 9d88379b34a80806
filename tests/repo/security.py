#!/usr/bin/python3
"""docs/security.md names tests as proofs: `file: name, name`. Each file must be there, and each name in it."""
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent


def main():
    text = (ROOT / 'docs/security.md').read_text()
    named = rows = 0
    missing = []
    for line in text.splitlines():
        if not re.match(r'\| [A-Z]', line) or line.startswith('| Id '):
            continue
        rows += 1
        proof = line.split(' | ')[-1]
        found = re.findall(r'`([a-z0-9_/]+\.(?:c|py)): ([a-z0-9_A-Z, ]+)`', proof)
        if not found and 'not yet' not in proof:
            missing.append('%s: neither a test nor "not yet"' % line[:12])
        for file, names in found:
            path = ROOT / 'tests' / file
            source = path.read_text() if path.exists() else ''
            for name in names.split(', '):
                named += 1
                if not re.search(r'\b%s\(' % re.escape(name), source):
                    missing.append('%s: %s' % (file, name))
    for m in missing:
        print('docs/security.md: ' + m)
    print('%d rows, %d tests named' % (rows, named))
    print('%d checks passed' % (named - len(missing)))
    return 1 if missing else 0


if __name__ == '__main__':
    sys.exit(main())
