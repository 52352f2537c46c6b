"""Names that surveys and brokers use for the simulated classes; other names are kept.

Vocabularies: the Transient Name Server (types of objects) and the Bright Transient Survey, which
uses it; ALeRCE (stamp and light-curve classifiers, and its training set); Fink (its classes, and
those of SIMBAD, with ``_`` for blanks); OGLE and Gaia. Candidates, superluminous supernovae and
Type II Cepheids keep their names: they are not what is simulated, or not known to be.
"""

from __future__ import annotations

import re
from functools import lru_cache

_TYPE_OF_SUPERNOVA = r"(i|ii|ia|ib|ic|ibc|iax|ibn|icn|idn|ien|iib|iic|iid|iil|iip|iin|ib/c|ibn/icn)"
_SAME_CLASS = {
    "SN": rf"(sn|sn\*|supernova)e?([ _-]?{_TYPE_OF_SUPERNOVA}([ _\[-].*)?)?|sn[ _-]pec",
    "AST": r"ast|asteroids?|sso|solar[ _-]system (object|mpc)|minor planets?|mpc",
    "RRL": (
        r"rrl|rr[ _*]?|rr[ _-]?lyr(ae)?([ _-](stars?|variables?))?|"
        r"rr[ _-]?(a|b|ab|c|d|lab|lc|ld)"
    ),
    "CEP": (
        r"cep|ceph|(classical|delta|type i)?[ _-]?cepheids?( stars?)?|d?cep(s|-fu|-fo|_fu|_fo)?|"
        r"delta[ _-]?cep(hei)?|classical[ _]cep"
    ),
    "EB": (
        r"eb|eb\*?|ea|ew|ec|ed|esd|e|ecl|ebc|ebsd/d|eb/ew|ea/eb|eclipsing([ _-]binar(y|ies))?|"
        r"ecl(ipsing)?[ _-]?bin(ar(y|ies))?|eb\*(algol|betlyr|wuma)|w[ _-]?uma|algol|"
        r"beta[ _-]?lyr(ae)?|(contact|detached|semi-?detached)[ _-]binar(y|ies)"
    ),
    "NV": r"nv|non[ _-]?variable|constant",
    "GAL": r"gal|galax(y|ies)",
    "AGN": (
        r"agn|qsos?|quasars?|active[ _]galactic[ _]nucle(us|i)|seyferts?|"
        r"sy[12](\.[0-9])?|seyfert[ _-]?[12](\.[0-9])?"
    ),
    "TDE": r"tdes?([ _-](h|he|h[ _-]he|h\+he|featureless))?|tidal[ _-]disruption( event| flare)?s?",
    "KN": r"kn|kne|kilonovae?",
    "LPV": (
        r"lpv\*?|long[ _-]?period[ _-]?v(ariables?)?\*?|longperiodv\*|miras?|m|sr[abcd]?|"
        r"semi-?regular([ _-]variables?)?"
    ),
    "CV": r"cv\*?|cataclysmic([ _-]variables?)?|catacly?v?\*|dwarf[ _-]nova(e)?|ug(su|ss|z|er|wz)?",
    "YSO": r"ysos?|young[ _-]stellar[ _-]objects?|t[ _-]?tauri\*?|ttau\*?",
    "BOGUS": r"bogus|artefacts?|artifacts?",
}


@lru_cache(maxsize=4096)
def class_of(label: str) -> str:
    """Name of the class that a label means: the simulator's where it has one."""
    label = label.strip()
    for name, pattern in _SAME_CLASS.items():
        if re.fullmatch(pattern, label, flags=re.IGNORECASE):
            return name
    return label
