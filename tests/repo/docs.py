#!/usr/bin/python3
"""Writes the two reference pages that come from tables in the code; the lint checks that they are current.

usage: tests/repo/docs.py errors            docs/errors.md from shared/base/err.h
       tests/repo/docs.py configuration BIN docs/configuration.md from `config-default` of both servers in BIN
"""
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent

GROUPS = [
    (1, 99, 'General', 'Internal errors are logged with their place; the client sees no detail. 503 and 429 come with '
     'Retry-After: the same request may succeed later.'),
    (100, 199, 'Challenge, evidence, appraisal',
     'The guest sees one text for every refusal of evidence (the protocol wants it so) and a decision id in the header '
     'Vidimus-Decision; the attestation owner reads the reason with `vidimus explain --server issuer ID`.'),
    (200, 299, 'Passports, release, policies',
     'The secret owner reads the reason of a denial with `vidimus explain --server broker ID`.'),
    (300, 399, 'Requests and routing', 'The connection is closed after a refusal of framing.'),
    (400, 499, 'Administrators', 'A token is made with `vidimus admin token`; roles stand in [[admin.role]].'),
]


def error_rows():
    text = (ROOT / 'shared/base/err.h').read_text().replace('\\\n', ' ')
    texts = {m[0]: m[1] for m in re.findall(r'#define (VD_T_\w+) "([^"]*)"', text)}
    for m in re.finditer(r'X\((\w+),\s*(\d+),\s*"([^"]+)",\s*(\d+),\s*"(\w+)",\s*(\d+),\s*((?:VD_T_\w+|"[^"]*"|\s)+)\)', text):
        parts = re.findall(r'VD_T_\w+|"[^"]*"', m[7])
        public = ''.join(texts[p] if p.startswith('VD_T_') else p[1:-1] for p in parts)
        yield int(m[2]), m[3], m[4], m[5], m[6], public


def errors():
    out = ['# Errors', '',
           'Numbers and slugs are public and never change their meaning. `/api/v1` answers RFC 9457 problem details with',
           '`type` = `urn:vidimus:error:` + slug; `/kbs/v0` answers the KBS protocol\'s `{"type","detail"}` with `type` =',
           '`https://github.com/confidential-containers/kbs/errors/` + KBS type. The REST attestation surface answers the',
           'text alone. Texts come from this table only; `{...}` are its few parameters. What an administrator reads in the',
           'log or by `vidimus explain` is more exact.', '',
           'This page is written by `tests/repo/docs.py errors` from shared/base/err.h.', '']
    rows = list(error_rows())
    for low, high, title, note in GROUPS:
        out += [f'## {title}', '', note, '', '| number | slug | status | KBS type | KBS status | text |', '|---|---|---|---|---|---|']
        for number, slug, http, kbs, kbs_http, public in rows:
            if low <= number <= high:
                out.append(f'| {number} | `{slug}` | {http} | {kbs} | {kbs_http} | {public.replace("|", "/")} |')
        out.append('')
    (ROOT / 'docs/errors.md').write_text('\n'.join(out))
    print(f'{len(rows)} errors')


def default_file(binary):
    return subprocess.run([binary, 'config-default'], check=True, capture_output=True, text=True).stdout


def settings(text):
    """(table, array, [(key, default, help)]) of a commented default file."""
    table, array, note, rows, result = '', False, [], [], []
    for line in text.splitlines():
        stripped = line.lstrip('# ').rstrip()
        head = re.fullmatch(r'#?\s*(\[\[?)([a-z_.]+)\]\]?', line.strip())
        key = re.fullmatch(r'#?\s*([a-z0-9_]+)\s*=\s*(.*)', line.strip())
        if head:
            rows = []
            table, array = head[2], head[1] == '[['
            result.append((table, array, rows))
            note = []
        elif key and result:
            rows.append((key[1], key[2], ' '.join(note)))
            note = []
        elif stripped:
            note.append(stripped)
        else:
            note = []
    return result


def configuration(bin_dir):
    out = ['# Configuration', '',
           'TOML: `/etc/vidimus/issuer.toml` and `/etc/vidimus/broker.toml`, or `--config FILE`. `--set table.key=value` wins over',
           '`VIDIMUS_TABLE__KEY` in the environment, that over the file, that over the default. An unknown key, a wrong type or a',
           'bad value stops the start with file, line, key and cure; `check-config` tries a file, `config-default` prints the',
           'commented default file that this page is written from (`tests/repo/docs.py configuration BIN`).', '']
    for program in ('issuer', 'broker'):
        out += [f'## vidimus-{program}', '']
        for table, array, rows in settings(default_file(f'{bin_dir}/vidimus-{program}')):
            out += [f'### [{"[" if array else ""}{table}{"]" if array else ""}]', '', '| setting | default | what |', '|---|---|---|']
            for key, default, note in rows:
                name = f'{table}[].{key}' if array else f'{table}.{key}'
                shown = default.replace('|', '\\|')
                out.append(f'| `{name}` | `{shown}` | {note.replace("|", "/")} |')
            out.append('')
    (ROOT / 'docs/configuration.md').write_text('\n'.join(out))
    print('docs/configuration.md')


if __name__ == '__main__':
    if sys.argv[1:] == ['errors']:
        errors()
    elif len(sys.argv) == 3 and sys.argv[1] == 'configuration':
        configuration(sys.argv[2])
    else:
        sys.exit(__doc__)
