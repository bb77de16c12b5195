"""Writes two small tokenizers and what the `tokenizers` of Hugging Face make of some texts.

python test/models/tokenizers/make_tokenizers.py

`wordpiece.json` is like that of BERT, `bpe.json` like that of RoBERTa. `expected.json` is the reference
of the tests.
"""

import json
from pathlib import Path

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

FOLDER = Path(__file__).parent
MAX_LENGTH = 16
CORPUS = [
    "the quick brown fox jumps over the lazy dog",
    "a gateway serves models and returns prices of people and prices",
    "unbelievable unhappiness of unaffordable tokenization",
    "Preise und Größen, naïve cafés, 12,345.67 euros",
    "don't can't won't it's we're",
    "emoji are fine, and so is every other sign: ()[]{}!?",
] * 20
TEXTS = [
    "",
    " ",
    "the quick brown fox",
    "The QUICK Brown FOX!",
    "Größe naïve cafés ﬁnance",
    "unaffordable unhappiness",
    "don't won't it's",
    "price: 12,345.67 EUR (approx.)",
    "tabs\tand\nnew  lines   and   spaces",
    "你好 world 🎉",
    "[CLS] is a special token, <s> and </s> too",
    "e\u0301 composed and decomposed \u00e9",
    "word " * 40,
    "x" * 150,
    "control\u0000less \u200b zero width",
]


def main() -> None:
    """Trains both tokenizers and writes the files."""
    bert = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    bert.normalizer = normalizers.BertNormalizer(lowercase=True)
    bert.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    bert.train_from_iterator(CORPUS, trainers.WordPieceTrainer(vocab_size=220, special_tokens=special))
    bert.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[(name, bert.token_to_id(name)) for name in ("[CLS]", "[SEP]")],
    )
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    special = ["<s>", "<pad>", "</s>", "<unk>"]
    bpe.train_from_iterator(
        CORPUS,
        trainers.BpeTrainer(
            vocab_size=420,
            special_tokens=special,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        ),
    )
    ends = {name: (name, bpe.token_to_id(name)) for name in ("<s>", "</s>")}
    bpe.post_processor = processors.RobertaProcessing(ends["</s>"], ends["<s>"], add_prefix_space=False)
    expected = {}
    for name, tokenizer, pad in (("wordpiece", bert, "[PAD]"), ("bpe", bpe, "<pad>")):
        tokenizer.save(str(FOLDER / f"{name}.json"), pretty=False)
        tokenizer.enable_truncation(MAX_LENGTH)
        tokenizer.enable_padding(length=MAX_LENGTH, pad_id=tokenizer.token_to_id(pad), pad_token=pad)
        expected[name] = [
            {
                "text": text,
                "input_ids": encoding.ids,
                "attention_mask": encoding.attention_mask,
                "token_type_ids": encoding.type_ids,
            }
            for text, encoding in zip(TEXTS, tokenizer.encode_batch(TEXTS), strict=True)
        ]
    content = {"max_length": MAX_LENGTH, "texts": expected}
    (FOLDER / "expected.json").write_text(json.dumps(content) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
