"""The Avro schemas of Rubin alert packets, versions 10.0 and 11.1, as compact tables.

Names, types and their order are those of the published interface (lsst.alert.packet). Version 11
has fields that 10 lacks (marked ``+``), and some that may be null in 10 may not in 11 (``~``).
"""

from __future__ import annotations

from simulator.alerts.record_schema import Schema, record

VERSIONS = ("10.0", "11.1")
BANDS = "ugrizy"

_DIA_SOURCE = """
diaSourceId:l visit:l detector:i diaObjectId:l? ssObjectId:l? parentDiaSourceId:l?
midpointMjdTai:d exposureTime:f?+ ra:d raErr:f? dec:d decErr:f? ra_dec_Cov:f? x:f xErr:f? y:f
yErr:f? centroid_flag:b? apFlux:f? apFluxErr:f? apFlux_flag:b? apFlux_flag_apertureTruncated:b?
isNegative:b? snr:f? psfFlux:f? psfFluxErr:f? psfLnL:f? psfChi2:f? psfNdata:i~ psfFlux_flag:b?
psfFlux_flag_edge:b? psfFlux_flag_noGoodPixels:b? trailFlux:f? trailFluxErr:f? trailRa:d?
trailRaErr:f? trailDec:d? trailDecErr:f? trailLength:f? trailLengthErr:f? trailAngle:f?
trailAngleErr:f? trailChi2:f? trailNdata:i~ trailAlgorithm:i?+ trail_flag_edge:b? trail_flag:b?+
dipoleMeanFlux:f? dipoleMeanFluxErr:f? dipoleFluxDiff:f? dipoleFluxDiffErr:f? dipoleLength:f?
dipoleAngle:f? dipoleChi2:f? dipoleNdata:i~ scienceFlux:f? scienceFluxErr:f?
forced_PsfFlux_flag:b? forced_PsfFlux_flag_edge:b? forced_PsfFlux_flag_noGoodPixels:b?
templateFlux:f? templateFluxErr:f? ixx:f? iyy:f? ixy:f? ixxPSF:f? iyyPSF:f? ixyPSF:f?
shape_flag:b? shape_flag_no_pixels:b? shape_flag_not_contained:b? shape_flag_parent_source:b?
extendedness:f? reliability:f? reliabilityVersion:s?+ band:s? isDipole:b? dipoleFitAttempted:b?
timeProcessedMjdTai:d timeWithdrawnMjdTai:d? bboxSize:i~ pixelFlags:b? pixelFlags_bad:b?
pixelFlags_cr:b? pixelFlags_crCenter:b? pixelFlags_edge:b? pixelFlags_nodata:b?
pixelFlags_nodataCenter:b? pixelFlags_interpolated:b? pixelFlags_interpolatedCenter:b?
pixelFlags_offimage:b? pixelFlags_saturated:b? pixelFlags_saturatedCenter:b? pixelFlags_suspect:b?
pixelFlags_suspectCenter:b? pixelFlags_streak:b? pixelFlags_streakCenter:b? pixelFlags_injected:b?
pixelFlags_injectedCenter:b? pixelFlags_injected_template:b? pixelFlags_injected_templateCenter:b?
glint_trail:b?
"""
_DIA_FORCED_SOURCE = """
diaForcedSourceId:l diaObjectId:l ra:d dec:d visit:l detector:i psfFlux:f? psfFluxErr:f?
midpointMjdTai:d scienceFlux:f? scienceFluxErr:f? band:s? timeProcessedMjdTai:d
timeWithdrawnMjdTai:d?
"""
_DIA_OBJECT = (
    "diaObjectId:l validityStartMjdTai:d ra:d raErr:f? dec:d decErr:f? ra_dec_Cov:f?",
    """
    *_psfFluxMean:f? *_psfFluxMeanErr:f? *_psfFluxSigma:f? *_psfFluxNdata:i~ *_fpFluxMean:f?
    *_fpFluxMeanErr:f?
    """,
    """
    *_scienceFluxMean:f? *_scienceFluxMeanErr:f?
    """,
    """
    *_psfFluxMin:f? *_psfFluxMax:f? *_psfFluxMaxSlope:f? *_psfFluxErrMean:f?
    """,
    "firstDiaSourceMjdTai:d? lastDiaSourceMjdTai:d? nDiaSources:i",
)
_SS_SOURCE = """
diaSourceId:l ssObjectId:l designation:s? eclLambda:d eclBeta:d galLon:d galLat:d elongation:f?
phaseAngle:f? topoRange:f? topoRangeRate:f? helioRange:f? helioRangeRate:f? ephRa:d? ephDec:d?
ephVmag:f? ephRate:f? ephRateRa:f? ephRateDec:f? ephOffset:f? ephOffsetRa:d? ephOffsetDec:d?
ephOffsetAlongTrack:f? ephOffsetCrossTrack:f? helio_x:f? helio_y:f? helio_z:f? helio_vx:f?
helio_vy:f? helio_vz:f? helio_vtot:f? topo_x:f? topo_y:f? topo_z:f? topo_vx:f? topo_vy:f?
topo_vz:f? topo_vtot:f? diaDistanceRank:i?
"""
_MPC_ORBITS = """
id:i designation:s packed_primary_provisional_designation:s
unpacked_primary_provisional_designation:s mpc_orb_jsonb:s? created_at:l? updated_at:l?
orbit_type_int:i? u_param:i? nopp:i? arc_length_total:d? arc_length_sel:d? nobs_total:i?
nobs_total_sel:i? a:d? q:d? e:d? i:d? node:d? argperi:d? peri_time:d? yarkovsky:d? srp:d? a1:d?
a2:d? a3:d? dt:d? mean_anomaly:d? period:d? mean_motion:d? a_unc:d? q_unc:d? e_unc:d? i_unc:d?
node_unc:d? argperi_unc:d? peri_time_unc:d? yarkovsky_unc:d? srp_unc:d? a1_unc:d? a2_unc:d?
a3_unc:d? dt_unc:d? mean_anomaly_unc:d? period_unc:d? mean_motion_unc:d? epoch_mjd:d? h:d? g:d?
not_normalized_rms:d? normalized_rms:d? earth_moid:d? fitting_datetime:l?
"""


def rubin_schema(version: str) -> Schema:
    """The schema of a packet of a version, and those of the records in it by their fields.

    Raises
    ------
    KeyError
        The version is not one of ``VERSIONS``.
    """
    newer = {"10.0": False, "11.1": True}[version]
    space = f"lsst.v{version.replace('.', '_')}"
    source, forced, body, solar_system, orbit = (
        record(f"{space}.{name}", table, newer=newer)
        for name, table in (
            ("diaSource", _DIA_SOURCE),
            ("diaForcedSource", _DIA_FORCED_SOURCE),
            ("diaObject", _dia_object()),
            ("ssSource", _SS_SOURCE),
            ("mpc_orbits", _MPC_ORBITS),
        )
    )
    packet = record(f"{space}.alert", "diaSourceId:l observation_reason:s? target_name:s?")
    packet["fields"] += [
        {"name": "diaSource", "type": source},
        _nullable("prvDiaSources", {"type": "array", "items": source["name"]}),
        _nullable("prvDiaForcedSources", {"type": "array", "items": forced}),
        _nullable("diaObject", body),
        _nullable("ssSource", solar_system),
        _nullable("mpc_orbits", orbit),
        *(_nullable(f"cutout{name}", "bytes") for name in ("Difference", "Science", "Template")),
    ]
    parts = {
        "diaSource": source,
        "prvDiaForcedSources": forced,
        "diaObject": body,
        "ssSource": solar_system,
    }
    return Schema(packet, parts)


def _nullable(name, item):
    return {"name": name, "type": ["null", item], "default": None}


def _dia_object():
    first, *of_bands, last = _DIA_OBJECT
    each = [table.replace("*", band) for table in of_bands for band in BANDS]
    return " ".join([first, *each, last])
