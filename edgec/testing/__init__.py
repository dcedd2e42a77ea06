"""A pytest plugin: golden tests of compiled models, and text tests of passes.

    @pytest.mark.edgec_golden("model.onnx", targets=["onnx", "openvino"], seeds=2)
    def test_model(edgec_golden):
        edgec_golden.check()

``pytest --golden-update`` records what is missing, and accepts what differs after showing how. An
``.eir`` file that begins with ``# run:`` is a test as well (see ``edgec test``);
``--edgec-bless`` accepts its output. The plugin comes with edgec: nothing is to be imported.
"""

from edgec.testing.golden import GoldenTest

__all__ = ["GoldenTest"]
