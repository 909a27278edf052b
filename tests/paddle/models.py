"""Model folders as PaddleOCR loads them, made from the ONNX files that the RapidOCR package carries.

PaddleOCR publishes its models on hubs that no test may reach. The networks are the same; only `inference.yml` is ours,
and says how RapidOCR feeds them.

`python -m tests.paddle.models ONNX_FILE FOLDER` turns one into Paddle's own format; a process of its own, because the
converter changes the process it runs in.
"""

import json
import shutil
import string
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from rythmiq_worker.engines import paddle
from rythmiq_worker.engines.detection import BOX_THRESHOLD, MAX_BOXES, PIXEL_THRESHOLD, UNCLIP_RATIO
from rythmiq_worker.engines.models import DICTIONARY, LINE_HEIGHT_PX, Network, find_models

ROOT = Path(__file__).parents[2]
FIRST_DEVANAGARI_LETTER = 0x0905
IN_DEVANAGARI: Mapping[str, str] = MappingProxyType(
    {letter: chr(FIRST_DEVANAGARI_LETTER + place) for place, letter in enumerate(string.ascii_letters)}
)
"""A stand-in's dictionary: what the Latin network reads, named by letters of Devanagari."""


def in_devanagari(text: str) -> str:
    """What the stand-in for the Devanagari model makes of a Latin text."""
    return "".join(IN_DEVANAGARI.get(letter, letter) for letter in text)


def onnx_models(folder: Path) -> Path:
    """PaddleOCR's models in ONNX format, the stand-in for the Devanagari one among them; the folder."""
    files = find_models()
    characters = Network(files.recognition).metadata(DICTIONARY).splitlines()
    _model(folder / paddle.DETECTION, _detection(), {"inference.onnx": files.detection})
    for language, dictionary in (("en", characters), ("hi", [IN_DEVANAGARI.get(text, text) for text in characters])):
        name = paddle.RECOGNITION["hi" if language == "hi" else "en"]
        _model(folder / name, _recognition(dictionary), {"inference.onnx": files.recognition})
    return folder


def paddle_models(folder: Path, onnx: Path) -> Path:
    """The same in Paddle's own format, without the stand-in; the folder.

    Args:
        folder: where.
        onnx: what `onnx_models` made.
    """
    names = paddle.DETECTION, paddle.RECOGNITION["en"]
    with tempfile.TemporaryDirectory() as scratch:
        command = [sys.executable, "-W", "ignore", "-m", "tests.paddle.models"]
        running = [
            subprocess.Popen(
                [*command, onnx / name / "inference.onnx", Path(scratch, name)],
                cwd=ROOT,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
            )
            for name in names
        ]
        for name, process in zip(names, running, strict=True):
            _, words = process.communicate()
            assert process.returncode == 0, words.decode(errors="replace")
            made = Path(scratch, name, "inference_model")
            files = {
                "inference.json": made / "model.json",
                "inference.pdiparams": made / "model.pdiparams",
            }
            _model(folder / name, json.loads((onnx / name / paddle.SETTINGS).read_text(encoding="utf-8")), files)
    return folder


def convert(onnx_file: Path, folder: Path) -> None:
    """Turn an ONNX file into `inference_model/model.json` and `model.pdiparams`."""
    from x2paddle.decoder.onnx_decoder import ONNXDecoder  # noqa: PLC0415  only in the converter's process
    from x2paddle.op_mapper.onnx2paddle.onnx_op_mapper import ONNXOpMapper  # noqa: PLC0415  ditto

    graph = ONNXOpMapper(ONNXDecoder(str(onnx_file), True, None)).paddle_graph  # noqa: FBT003  its own signature
    graph.build()
    graph.gen_model(str(folder))


def _model(folder: Path, settings: Mapping[str, object], files: Mapping[str, Path]) -> None:
    folder.mkdir(parents=True)
    for name, file in files.items():
        shutil.copyfile(file, folder / name)
    named = {"Global": {"model_name": folder.name}, **settings}
    (folder / paddle.SETTINGS).write_text(json.dumps(named, ensure_ascii=False), encoding="utf-8")  # JSON is YAML


def _detection() -> dict[str, object]:
    steps = [
        {"DecodeImage": {"channel_first": False, "img_mode": "BGR"}},
        {"DetResizeForTest": {"resize_long": 960}},
        {"NormalizeImage": {"mean": [0.5] * 3, "std": [0.5] * 3, "order": "hwc", "scale": "1./255."}},
        {"ToCHWImage": None},
    ]
    boxes = {
        "name": "DBPostProcess",
        "thresh": PIXEL_THRESHOLD,
        "box_thresh": BOX_THRESHOLD,
        "unclip_ratio": UNCLIP_RATIO,
        "max_candidates": MAX_BOXES,
        "use_dilation": True,
    }
    return {"PreProcess": {"transform_ops": steps}, "PostProcess": boxes}


def _recognition(characters: Sequence[str]) -> dict[str, object]:
    steps = [
        {"DecodeImage": {"channel_first": False, "img_mode": "BGR"}},
        {"RecResizeImg": {"image_shape": [3, LINE_HEIGHT_PX, 320]}},
    ]
    return {
        "PreProcess": {"transform_ops": steps},
        "PostProcess": {"name": "CTCLabelDecode", "character_dict": list(characters)},
    }


if __name__ == "__main__":
    convert(Path(sys.argv[1]), Path(sys.argv[2]))
