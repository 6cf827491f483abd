"""Makes tiny-imagenet-32.zip from Tiny ImageNet's own archive: what split-tiny-imagenet runs on.

    python tools/tiny_imagenet.py tiny-imagenet-200.zip [FOLDER]

The archive is that of Stanford's course CS231n. Of its 200 classes those named below are taken, each with its 500
training images, and its 50 validation images for the test part; every image is averaged from 64x64 to 32x32 pixels and
stored as a JPEG of quality 88. FOLDER is where it goes, by default where replaylib looks for datasets.
"""

import io
import sys
import zipfile
from pathlib import Path

from PIL import Image

from replaylib import InputError
from replaylib.data.catalogue import data_directory
from replaylib.data.files import replacing, writable

ZIP = "tiny-imagenet-32.zip"
#: As the stored runs have them: WordNet's number, and the first name.
CLASSES = (  # noqa: SIM905 - a list would take a hundred lines
    "n01443537_goldfish n01641577_bullfrog n01698640_american_alligator n01768244_trilobite n01774384_black_widow "
    "n01784675_centipede n01882714_koala n01917289_brain_coral n01945685_slug n01983481_american_lobster "
    "n02002724_black_stork n02058221_albatross n02085620_chihuahua n02099601_golden_retriever "
    "n02106662_german_shepherd n02123045_tabby n02124075_egyptian_cat n02129165_lion n02165456_ladybug "
    "n02206856_bee n02231487_walking_stick n02236044_mantis n02279972_monarch n02321529_sea_cucumber "
    "n02395406_hog n02410509_bison n02423022_gazelle n02480495_orangutan n02486410_baboon n02509815_lesser_panda "
    "n02669723_academic_gown n02730930_apron n02788148_bannister n02793495_barn n02802426_basketball "
    "n02814533_beach_wagon n02815834_beaker n02837789_bikini n02843684_birdhouse n02892201_brass n02909870_bucket "
    "n02927161_butcher_shop n02950826_cannon n02977058_cash_machine n02999410_chain n03026506_christmas_stocking "
    "n03085013_computer_keyboard n03100240_convertible n03160309_dam n03201208_dining_table n03255030_dumbbell "
    "n03388043_fountain n03400231_frying_pan n03424325_gasmask n03447447_gondola n03584254_ipod n03617480_kimono "
    "n03649909_lawn_mower n03670208_limousine n03733131_maypole n03770439_miniskirt n03804744_nail "
    "n03837869_obelisk n03854065_organ n03902125_pay-phone n03937543_pill_bottle n03976657_pole n03980874_poncho "
    "n03992509_potters_wheel n04023962_punching_bag n04070727_refrigerator n04099969_rocking_chair "
    "n04133789_sandal n04149813_scoreboard n04251144_snorkel n04259630_sombrero n04275548_spider_web "
    "n04311004_steel_arch_bridge n04356056_sunglasses n04371430_swimming_trunks n04398044_teapot n04417672_thatch "
    "n04465501_tractor n04487081_trolleybus n04507155_umbrella n04532670_viaduct n04560804_water_jug "
    "n04596742_wok n06596364_comic_book n07583066_guacamole n07615774_ice_lolly n07711569_mashed_potato "
    "n07720875_bell_pepper n07747607_orange n07753592_banana n07871810_meat_loaf n07875152_potpie n09193705_alp "
    "n09256479_coral_reef n09428293_seashore "
).split()


def convert(archive: Path, folder: Path) -> Path:
    """Write the image folder ``train/<class>/*.jpg``, ``test/<class>/*.jpg`` as a zip, whole or not at all.

    Raises
    ------
    InputError : the archive is not Tiny ImageNet's, or the folder cannot be written.
    """
    path = folder / ZIP
    try:
        with zipfile.ZipFile(archive) as source:
            images = members(archive, source)
            writable(folder)
            with replacing(path, "choose another folder") as part, zipfile.ZipFile(part, "w") as target:
                for name, member in images:
                    target.writestr(name, halved(source.read(member)))
    except (OSError, zipfile.BadZipFile) as error:
        raise InputError(f"{archive} cannot be made into {path}: {error}") from error
    return path


def members(archive: Path, source: zipfile.ZipFile) -> list[tuple[str, str]]:
    """Of each image its name in the new zip and in the archive, in the order of names."""
    there = sorted(source.namelist())
    root = next((name.partition("words.txt")[0] for name in there if name.endswith("words.txt")), None)
    if root is None:
        raise InputError(f"{archive} has no words.txt: give tiny-imagenet-200.zip as it was downloaded")
    said = (line.split("\t")[:2] for line in source.read(f"{root}val/val_annotations.txt").decode().splitlines())
    tested: dict[str, list[str]] = {}
    for image, label in said:
        tested.setdefault(label, []).append(f"{root}val/images/{image}")
    pairs = []
    for label in CLASSES:
        wordnet = label.partition("_")[0]
        trained = [name for name in there if name.startswith(f"{root}train/{wordnet}/images/") and name[-1] != "/"]
        for part, names in (("train", trained), ("test", sorted(tested.get(wordnet, [])))):
            if not names:
                raise InputError(f"{archive} has no {part} images of {label}: give tiny-imagenet-200.zip as it was")
            digits = len(str(len(names) - 1))
            pairs += [(f"{part}/{label}/{place:0{digits}}.jpg", name) for place, name in enumerate(names)]
    return pairs


def halved(content: bytes) -> bytes:
    """An image file's content at half its height and width, each pixel the mean of four."""
    with Image.open(io.BytesIO(content)) as image:
        small = image.convert("RGB").reduce(2)
    written = io.BytesIO()
    small.save(written, "JPEG", quality=88)
    return written.getvalue()


def main(arguments: list[str]) -> int:
    if len(arguments) not in (1, 2):
        print(__doc__, file=sys.stderr)
        return 2
    try:
        print(convert(Path(arguments[0]), Path(arguments[1]) if len(arguments) > 1 else data_directory()))
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
