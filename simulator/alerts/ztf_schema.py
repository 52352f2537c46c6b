"""The Avro schema of ZTF alert packets, version 4.02, as compact tables of names and types.

Names, types and their order are those of real packets of version 4.01; the fields of version 4.02
that brokers pass on are the same.
"""

from __future__ import annotations

from simulator.alerts.record_schema import Schema, record

VERSION = "4.02"

_CANDIDATE = """
jd:d fid:i pid:l diffmaglim:f? pdiffimfilename:s? programpi:s? programid:i candid:l isdiffpos:s
tblid:l? nid:i? rcid:i? field:i? xpos:f? ypos:f? ra:d dec:d magpsf:f sigmapsf:f chipsf:f? magap:f?
sigmagap:f? distnr:f? magnr:f? sigmagnr:f? chinr:f? sharpnr:f? sky:f? magdiff:f? fwhm:f?
classtar:f? mindtoedge:f? magfromlim:f? seeratio:f? aimage:f? bimage:f? aimagerat:f? bimagerat:f?
elong:f? nneg:i? nbad:i? rb:f? ssdistnr:f? ssmagnr:f? ssnamenr:s? sumrat:f? magapbig:f?
sigmagapbig:f? ranr:d decnr:d sgmag1:f? srmag1:f? simag1:f? szmag1:f? sgscore1:f? distpsnr1:f?
ndethist:i ncovhist:i jdstarthist:d? jdendhist:d? scorr:d? tooflag:i? objectidps1:l?
objectidps2:l? sgmag2:f? srmag2:f? simag2:f? szmag2:f? sgscore2:f? distpsnr2:f? objectidps3:l?
sgmag3:f? srmag3:f? simag3:f? szmag3:f? sgscore3:f? distpsnr3:f? nmtchps:i rfid:l jdstartref:d
jdendref:d nframesref:i rbversion:s dsnrms:f? ssnrms:f? dsdiff:f? magzpsci:f? magzpsciunc:f?
magzpscirms:f? nmatches:i clrcoeff:f? clrcounc:f? zpclrcov:f? zpmed:f? clrmed:f? clrrms:f?
neargaia:f? neargaiabright:f? maggaia:f? maggaiabright:f? exptime:f? drb:f? drbversion:s
"""
_PREVIOUS = """
jd:d fid:i pid:l diffmaglim:f? pdiffimfilename:s? programpi:s? programid:i candid:l? isdiffpos:s?
tblid:l? nid:i? rcid:i? field:i? xpos:f? ypos:f? ra:d? dec:d? magpsf:f? sigmapsf:f? chipsf:f?
magap:f? sigmagap:f? distnr:f? magnr:f? sigmagnr:f? chinr:f? sharpnr:f? sky:f? magdiff:f? fwhm:f?
classtar:f? mindtoedge:f? magfromlim:f? seeratio:f? aimage:f? bimage:f? aimagerat:f? bimagerat:f?
elong:f? nneg:i? nbad:i? rb:f? ssdistnr:f? ssmagnr:f? ssnamenr:s? sumrat:f? magapbig:f?
sigmagapbig:f? ranr:d? decnr:d? scorr:d? magzpsci:f? magzpsciunc:f? magzpscirms:f? clrcoeff:f?
clrcounc:f? rbversion:s
"""
_FORCED = """
field:i? rcid:i? fid:i pid:l rfid:l sciinpseeing:f? scibckgnd:f? scisigpix:f? magzpsci:f?
magzpsciunc:f? magzpscirms:f? clrcoeff:f? clrcounc:f? exptime:f? adpctdif1:f? adpctdif2:f?
diffmaglim:f? programid:i jd:d forcediffimflux:f? forcediffimfluxunc:f? procstatus:s? distnr:f?
ranr:d decnr:d magnr:f? sigmagnr:f? chinr:f? sharpnr:f?
"""


def _nullable(item: object) -> dict:
    return {"type": ["null", item], "default": None}


def _list_of(item: dict) -> dict:
    return _nullable({"type": "array", "items": item})


def ztf_schema() -> Schema:
    """The schema of a packet, and those of the records in it by the names of their fields."""
    candidate = record("ztf.alert.candidate", _CANDIDATE)
    previous = record("ztf.alert.prv_candidate", _PREVIOUS)
    forced = record("ztf.alert.fp_hist", _FORCED)
    cutout = record("ztf.alert.cutout", "fileName:s stampData:y")
    packet = record("ztf.alert", "schemavsn:s publisher:s objectId:s candid:l")
    packet["version"] = VERSION
    packet["fields"] += [
        {"name": "candidate", "type": candidate},
        {"name": "prv_candidates", **_list_of(previous)},
        {"name": "fp_hists", **_list_of(forced)},
        {"name": "cutoutScience", **_nullable(cutout)},
        {"name": "cutoutTemplate", **_nullable("ztf.alert.cutout")},
        {"name": "cutoutDifference", **_nullable("ztf.alert.cutout")},
    ]
    parts = {"candidate": candidate, "prv_candidates": previous, "fp_hists": forced}
    return Schema(packet, parts)
