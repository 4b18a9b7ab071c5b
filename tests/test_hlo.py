"""How the text of a compiled program is read, on one small enough to count by hand."""

from rnnjax.engine import hlo

# A loop of 7 iterations, as a GPU's compiler writes it. An iteration reads a row of 256
# numbers from an array of 7, adds a vector, and writes the row in place; a copy of a
# row runs beside that. The counter is a scalar.
PROGRAM = """HloModule jit_f, is_scheduled=true

%fused_add (p.0: f32[7,256], p.1: s32[], p.2: f32[256]) -> f32[7,256] {
  %p.0 = f32[7,256]{1,0} parameter(0)
  %p.1 = s32[] parameter(1)
  %zero = s32[] constant(0)
  %p.2 = f32[256]{0} parameter(2)
  %row = f32[1,256]{1,0} dynamic-slice(%p.0, %p.1, %zero)
  %vector = f32[1,256]{1,0} bitcast(%p.2)
  %sum = f32[1,256]{1,0} add(%row, %vector)
  ROOT %put = f32[7,256]{1,0} dynamic-update-slice(%p.0, %sum, %p.1, %zero)
}

%fused_copy (p.3: f32[7,256], p.4: s32[]) -> f32[1,256] {
  %p.3 = f32[7,256]{1,0} parameter(0)
  %p.4 = s32[] parameter(1)
  %nil = s32[] constant(0)
  ROOT %cut = f32[1,256]{1,0} dynamic-slice(%p.3, %p.4, %nil)
}

%fused_next (p.5: s32[]) -> s32[] {
  %p.5 = s32[] parameter(0)
  %one = s32[] constant(1)
  ROOT %next = s32[] add(%p.5, %one)
}

%body (state: (s32[], f32[7,256], f32[256])) -> (s32[], f32[7,256], f32[256]) {
  %state = (s32[], f32[7,256]{1,0}, f32[256]{0}) parameter(0)
  %k = s32[] get-tuple-element(%state), index=0
  %rows = f32[7,256]{1,0} get-tuple-element(%state), index=1
  %added = f32[256]{0} get-tuple-element(%state), index=2
  %beside = ((f32[7,256]), f32[1,256]) fusion-start(%rows, %k), calls=%fused_copy
  %copied = f32[1,256]{1,0} fusion-done(%beside)
  %in_place = f32[7,256]{1,0} fusion(%rows, %k, %added), calls=%fused_add
  %counter = s32[] fusion(%k), calls=%fused_next
  ROOT %out = (s32[], f32[7,256]{1,0}, f32[256]{0}) tuple(%counter, %in_place, %added)
}

%condition (state.1: (s32[], f32[7,256], f32[256])) -> pred[] {
  %state.1 = (s32[], f32[7,256]{1,0}, f32[256]{0}) parameter(0)
  %k.1 = s32[] get-tuple-element(%state.1), index=0
  %seven = s32[] constant(7)
  ROOT %less = pred[] compare(%k.1, %seven), direction=LT
}

ENTRY %main (x: f32[7,256], y: f32[256]) -> f32[7,256] {
  %x = f32[7,256]{1,0} parameter(0)
  %y = f32[256]{0} parameter(1)
  %start = s32[] constant(0)
  %first = (s32[], f32[7,256]{1,0}, f32[256]{0}) tuple(%start, %x, %y)
  %loop = (s32[], f32[7,256]{1,0}, f32[256]{0}) while(%first), DETAILS
  %done = f32[7,256]{1,0} get-tuple-element(%loop), index=1
  ROOT %last = f32[7,256]{1,0} copy(%done)
}
""".replace(
    "DETAILS",
    'condition=%condition, body=%body, metadata={op_name="jit(f)/while"}, '
    'backend_config={"known_trip_count":{"n":"7"}}',
)
ROW = 256 * 4


def test_an_iteration_moves_what_it_slices_and_no_more():
    (loop,) = hlo.read(PROGRAM).loops
    assert (loop.name, loop.source, loop.depth) == ("body", "jit(f)/while", 0)
    assert loop.trips == 7
    assert (loop.work.kernels, loop.work.beside) == (1, 1)
    # Both kernels write a row; they read a row and a counter each, and one the vector.
    assert loop.work.written == 2 * ROW
    assert loop.work.read == 3 * ROW + 2 * 4
    assert loop.large == ()


def test_a_program_is_its_loops_and_what_is_around_them():
    program = hlo.read(PROGRAM)
    (loop,) = program.loops
    assert program.whole.kernels == 7 * 1 + 1
    assert program.whole.written == 7 * loop.work.written + 7 * ROW


def test_a_count_is_also_known_from_what_the_counter_is_compared_with():
    """As in programs for TPUs; if it is compared with a variable, it is not known."""
    unsaid = PROGRAM.replace(', backend_config={"known_trip_count":{"n":"7"}}', "")
    assert hlo.read(unsaid).loops[0].trips == 7
    variable = unsaid.replace("= s32[] constant(7)", "= s32[] add(%k.1, %k.1)")
    assert hlo.read(variable).loops[0].trips is None


def test_a_copy_of_the_whole_array_is_listed():
    copied = PROGRAM.replace("[7,256]", "[70,256]").replace(
        "%in_place = f32[70,256]{1,0} fusion(%rows, %k, %added), calls=%fused_add",
        "%in_place = f32[70,256]{1,0} copy(%rows)",
    )
    (loop,) = hlo.read(copied).loops
    assert loop.large == (("in_place", 70 * ROW),)
