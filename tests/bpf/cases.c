/* The cases: see cases.h. */
#include "cases.h"

#include <errno.h>

#include "asm.h"
#include "bpf/verify.h"

#define PAGE 4096
const uint8_t case_rodata[16] = {'t', 'e', 'x', 't', 0, 1, 2, 3, 7, 0, 0, 0, 0, 0, 0, 0};

static const struct map_info hash_map = {.type = BPF_MAP_TYPE_HASH,
					 .key_size = 8,
					 .value_size = 48,
					 .max_entries = 16,
					 .spin_lock_off = -1,
					 .timer_off = -1,
					 .off = 2 * PAGE,
					 .name = "hash"};

#define PLAIN .spin_lock_off = -1, .timer_off = -1
const struct map_info case_maps[MAP_KINDS] = {
    [MAP_ARRAY] = {.type = BPF_MAP_TYPE_ARRAY,
		   .key_size = 4,
		   .value_size = 48,
		   .max_entries = 16,
		   PLAIN,
		   .off = 1 * PAGE,
		   .value_off = 1 * PAGE + 1024,
		   .stride = 48,
		   .name = "array"},
    [MAP_HASH] = {.type = BPF_MAP_TYPE_HASH,
		  .key_size = 8,
		  .value_size = 48,
		  .max_entries = 16,
		  PLAIN,
		  .off = 2 * PAGE,
		  .name = "hash"},
    [MAP_RINGBUF] = {.type = BPF_MAP_TYPE_RINGBUF, .max_entries = 4096, PLAIN, .off = 3 * PAGE, .name = "ring"},
    [MAP_PROGS] = {.type = BPF_MAP_TYPE_PROG_ARRAY,
		   .key_size = 4,
		   .value_size = 4,
		   .max_entries = 4,
		   PLAIN,
		   .off = 4 * PAGE,
		   .name = "progs"},
    [MAP_DATA] = {.type = BPF_MAP_TYPE_ARRAY,
		  .key_size = 4,
		  .value_size = 64,
		  .max_entries = 1,
		  PLAIN,
		  .off = 5 * PAGE,
		  .value_off = 5 * PAGE + 1024,
		  .name = "data"},
    [MAP_RODATA] = {.type = BPF_MAP_TYPE_ARRAY,
		    .key_size = 4,
		    .value_size = 16,
		    .max_entries = 1,
		    .flags = BPF_F_RDONLY_PROG,
		    PLAIN,
		    .frozen = true,
		    .off = 6 * PAGE,
		    .value_off = 6 * PAGE + 1024,
		    .rodata = case_rodata,
		    .name = "rodata"},
    [MAP_LOCKED] = {.type = BPF_MAP_TYPE_ARRAY,
		    .key_size = 4,
		    .value_size = 16,
		    .max_entries = 4,
		    .spin_lock_off = 4,
		    .timer_off = -1,
		    .off = 7 * PAGE,
		    .name = "locked"},
    [MAP_PERF] = {.type = BPF_MAP_TYPE_PERF_EVENT_ARRAY,
		  .key_size = 4,
		  .value_size = 4,
		  .max_entries = 4,
		  PLAIN,
		  .off = 8 * PAGE,
		  .name = "perf"},
    [MAP_STACKS] = {.type = BPF_MAP_TYPE_STACK_TRACE,
		    .key_size = 4,
		    .value_size = 64,
		    .max_entries = 4,
		    PLAIN,
		    .off = 9 * PAGE,
		    .name = "stacks"},
    [MAP_NESTED] = {.type = BPF_MAP_TYPE_ARRAY_OF_MAPS,
		    .key_size = 4,
		    .value_size = 4,
		    .max_entries = 4,
		    PLAIN,
		    .off = 10 * PAGE,
		    .inner = &hash_map,
		    .name = "nested"},
};

static const struct map_info *find_map(void *arg, const struct bpf_insn *lddw)
{
	return lddw->imm >= 0 && lddw->imm < MAP_KINDS ? &case_maps[lddw->imm] : NULL;
}

int case_verify(const struct bpf_insn *insns, uint32_t len, struct prog *prog, struct log *log, unsigned level)
{
	const struct verify_opts opts = {.type = &prog_type_tracepoint, .log = log, .log_level = level};
	int r = prog_decode(insns, len, prog, log);

	if (r < 0)
		return r;
	r = prog_resolve_maps(prog, find_map, NULL, log);
	if (r == 0)
		r = verify_prog(prog, &opts, NULL);
	if (r < 0)
		prog_free(prog);
	return r;
}

#define CASE_K(name, err, says, kernel, ...)                                                                           \
	{                                                                                                              \
		name, err, says, kernel, (const struct bpf_insn[]){__VA_ARGS__},                                       \
		    sizeof((const struct bpf_insn[]){__VA_ARGS__}) / sizeof(struct bpf_insn)                           \
	}
#define CASE(name, err, says, ...) CASE_K(name, err, says, NULL, __VA_ARGS__)

#define FP BPF_REG_10
#define R0 BPF_REG_0
#define R1 BPF_REG_1
#define R2 BPF_REG_2
#define R3 BPF_REG_3
#define R4 BPF_REG_4
#define R5 BPF_REG_5
#define R6 BPF_REG_6
#define R7 BPF_REG_7
#define R8 BPF_REG_8
#define R9 BPF_REG_9

/* R0 = lookup in MAP_ARRAY with key 0; 6 slots. */
#define LOOKUP(map) ST(DW, FP, -8, 0), MOV_X(R2, FP), ADD_K(R2, -8), LD_MAP(R1, map), CALL(map_lookup_elem)
/* The same, and out with 0 if there is none; 8 slots. `rest`: slots behind this up to the exit that it goes to. */
#define LOOKUP_OR(map, rest) LOOKUP(map), J_K(JEQ, R0, 0, rest)
#define RETURN(v) MOV_K(R0, v), EXIT()
#define NEG_(d) INSN(BPF_ALU64 | BPF_NEG, d, 0, 0, 0)

#define BIT(n) J_K(JSET, R2, 1 << (n), 1), ADD_K(R0, 1 << (n))

#define TAIL(map) LD_MAP(R2, map), MOV_K(R3, 0), CALL(tail_call)

/* A field that must be zero is not. */
#define RESERVED(name, ...) CASE(name, -EINVAL, NULL, MOV_K(R0, 0), MOV_K(R1, 1), __VA_ARGS__, EXIT())

const struct vcase vcases[] = {
    /* --- structure --- */
    RESERVED("add64 imm with src", INSN(BPF_ALU64 | BPF_ADD | BPF_K, 0, 1, 0, 1)),
    RESERVED("add64 reg with imm", INSN(BPF_ALU64 | BPF_ADD | BPF_X, 0, 1, 0, 1)),
    RESERVED("be16 with offset", INSN(BPF_ALU | BPF_END | BPF_TO_BE, 0, 0, 1, 16)),
    RESERVED("be of 24 bits", INSN(BPF_ALU | BPF_END | BPF_TO_BE, 0, 0, 0, 24)),
    RESERVED("bswap with source bit", INSN(BPF_ALU64 | BPF_END | BPF_TO_BE, 0, 0, 0, 16)),
    RESERVED("ja with imm", INSN(BPF_JMP | BPF_JA, 0, 0, 0, 1)),
    RESERVED("ja with src", INSN(BPF_JMP | BPF_JA, 0, 1, 0, 0)),
    RESERVED("ja with dst", INSN(BPF_JMP | BPF_JA, 1, 0, 0, 0)),
    RESERVED("gotol with offset", INSN(BPF_JMP32 | BPF_JA, 0, 0, 1, 0)),
    RESERVED("jeq imm with src", INSN(BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 0, 0)),
    RESERVED("jgt imm with src", INSN(BPF_JMP | BPF_JGT | BPF_K, 0, 1, 0, 0)),
    RESERVED("jeq reg with imm", INSN(BPF_JMP | BPF_JEQ | BPF_X, 0, 1, 0, 1)),
    RESERVED("mov64 imm with offset", INSN(BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 1, 0)),
    RESERVED("mov64 reg with imm", INSN(BPF_ALU64 | BPF_MOV | BPF_X, 0, 1, 0, 1)),
    RESERVED("mov64 reg with offset", INSN(BPF_ALU64 | BPF_MOV | BPF_X, 0, 1, 1, 0)),
    RESERVED("mov imm with offset", INSN(BPF_ALU | BPF_MOV | BPF_K, 0, 0, 1, 0)),
    RESERVED("mov imm with src", INSN(BPF_ALU | BPF_MOV | BPF_K, 0, 1, 0, 0)),
    RESERVED("mov reg with offset", INSN(BPF_ALU | BPF_MOV | BPF_X, 0, 1, 1, 0)),
    RESERVED("mov32 reg extending 32", INSN(BPF_ALU | BPF_MOV | BPF_X, 0, 1, 32, 0)),
    RESERVED("neg with imm", INSN(BPF_ALU | BPF_NEG, 0, 0, 0, 1)),
    RESERVED("neg with offset", INSN(BPF_ALU | BPF_NEG, 0, 0, 1, 0)),
    RESERVED("neg with src", INSN(BPF_ALU | BPF_NEG, 0, 1, 0, 0)),
    RESERVED("neg64 with src", INSN(BPF_ALU64 | BPF_NEG, 0, 1, 0, 0)),
    RESERVED("neg64 with source bit", INSN(BPF_ALU64 | BPF_NEG | BPF_X, 0, 0, 0, 0)),
    RESERVED("stdw with src", INSN(BPF_ST | BPF_MEM | BPF_DW, 10, 1, -8, 0)),
    RESERVED("stw with src", INSN(BPF_ST | BPF_MEM | BPF_W, 10, 1, -8, 0)),
    RESERVED("stxw with imm", INSN(BPF_STX | BPF_MEM | BPF_W, 10, 1, -8, 1)),
    RESERVED("ldxw with imm", INSN(BPF_LDX | BPF_MEM | BPF_W, 0, 1, 8, 1)),
    RESERVED("exit with imm", INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 1)),
    RESERVED("exit of class jmp32", INSN(BPF_JMP32 | BPF_EXIT, 0, 0, 0, 0)),
    RESERVED("call with dst", INSN(BPF_JMP | BPF_CALL, 1, 0, 0, BPF_FUNC_ktime_get_ns)),
    RESERVED("callx", INSN(BPF_JMP | BPF_CALL | BPF_X, 0, 0, 0, 1)),
    RESERVED("call of class jmp32", INSN(BPF_JMP32 | BPF_CALL, 0, 0, 0, BPF_FUNC_ktime_get_ns)),
    RESERVED("div with offset 2", INSN(BPF_ALU64 | BPF_DIV | BPF_K, 0, 0, 2, 3)),
    RESERVED("load of 64 bits with sign", INSN(BPF_LDX | BPF_MEMSX | BPF_DW, 0, 1, 8, 0)),
    RESERVED("atomic of 16 bits", INSN(BPF_STX | BPF_ATOMIC | BPF_H, 10, 0, -8, BPF_ADD)),
    RESERVED("atomic that is none", INSN(BPF_STX | BPF_ATOMIC | BPF_DW, 10, 0, -8, BPF_SUB)),
    RESERVED("register 11", INSN(BPF_ALU64 | BPF_MOV | BPF_K, 11, 0, 0, 0)),
    RESERVED("unknown operation", INSN(BPF_ALU64 | 0xe0, 0, 0, 0, 0)),
    RESERVED("unknown jump", INSN(BPF_JMP | 0xf0, 0, 0, 0, 0)),
    RESERVED("packet load", INSN(BPF_LD | BPF_ABS | BPF_W, 0, 0, 0, 0)),
    CASE("lddw cut off", -EINVAL, NULL, INSN(INSN_LDDW, 0, 0, 0, 0)),
    CASE("lddw with a wrong second half", -EINVAL, NULL, INSN(INSN_LDDW, 0, 0, 0, 0), EXIT(), EXIT()),
    CASE("jump into lddw", -EINVAL, "middle of ldimm64", GOTO(1), LDDW(R0, 1), EXIT()),
    CASE("jump out of the program", -EINVAL, "jump out of range", MOV_K(R0, 0), GOTO(5), EXIT()),
    CASE("jump before the program", -EINVAL, "jump out of range", MOV_K(R0, 0), J_K(JEQ, R0, 0, -5), EXIT()),
    CASE("falls off the end", -EINVAL, "not an exit or jmp", MOV_K(R0, 0)),
    CASE("write of the frame pointer", -EINVAL, "frame pointer is read only", MOV_K(FP, 0), RETURN(0)),
    CASE("text that nothing reaches", -EINVAL, "unreachable insn 2", RETURN(0), RETURN(1)),
    CASE("call of nowhere", -EINVAL, "invalid destination", CALL_LOCAL(9), RETURN(0)),

    /* --- registers --- */
    CASE("the smallest program", 0, NULL, RETURN(0)),
    CASE("exit without a result", -EACCES, "R0 !read_ok", EXIT()),
    CASE("read of a register never written", -EACCES, "R2 !read_ok", MOV_X(R0, R2), EXIT()),
    CASE("caller-saved registers after a call", -EACCES, "R1 !read_ok", CALL(ktime_get_ns), MOV_X(R0, R1), EXIT()),
    CASE("callee-saved registers after a call", 0, NULL, MOV_K(R6, 1), CALL(ktime_get_ns), MOV_X(R0, R6), EXIT()),
    CASE("written on one way only", -EACCES, "R2 !read_ok", LDX(DW, R3, R1, 16), J_K(JEQ, R3, 0, 1), MOV_K(R2, 1),
	 MOV_X(R0, R2), EXIT()),
    CASE("division by constant zero", -EINVAL, "div by zero", MOV_K(R0, 1), ALU64_K(DIV, R0, 0), EXIT()),
    CASE("shift by 64", -EINVAL, "invalid shift 64", MOV_K(R0, 1), ALU64_K(LSH, R0, 64), EXIT()),
    CASE("shift of 32 bits by 32", -EINVAL, "invalid shift 32", MOV_K(R0, 1), ALU32_K(LSH, R0, 32), EXIT()),

    /* --- context --- */
    CASE("context read", 0, NULL, LDX(DW, R0, R1, 16), EXIT()),
    CASE("context write", -EACCES, "invalid bpf_context access", ST(DW, R1, 16, 1), RETURN(0)),
    CASE("context before its start", -EACCES, "invalid bpf_context access off=0", LDX(DW, R0, R1, 0), EXIT()),
    CASE("context misaligned", -EACCES, "misaligned", LDX(DW, R0, R1, 12), EXIT()),
    CASE("context far away", -EACCES, "invalid bpf_context access", LDX(DW, R0, R1, 8192), EXIT()),
    CASE("context at an unknown offset", -EACCES, "variable ctx access", LDX(DW, R2, R1, 16), ALU64_K(AND, R2, 8),
	 ADD_X(R1, R2), LDX(DW, R0, R1, 16), EXIT()),
    CASE("context through an atomic", -EACCES, "ctx is not allowed", MOV_K(R0, 0), ATOMIC_OP(DW, BPF_ADD, R1, R0, 16),
	 EXIT()),

    /* --- stack --- */
    CASE("stack written and read", 0, NULL, ST(DW, FP, -8, 5), LDX(DW, R0, FP, -8), EXIT()),
    CASE_K("stack read before written", -EACCES, "invalid read from stack R10 off -8+0",
	   "since 6.3 the kernel lets privileged programs read it", LDX(DW, R0, FP, -8), EXIT()),
    CASE_K("half of it written", -EACCES, "off -8+4", "as above", ST(W, FP, -8, 5), LDX(DW, R0, FP, -8), EXIT()),
    CASE("stack below its end", -EACCES, "invalid stack R10 off=-520", ST(DW, FP, -520, 0), RETURN(0)),
    CASE("stack above the frame pointer", -EACCES, "invalid stack R10 off=0", ST(DW, FP, 0, 0), RETURN(0)),
    CASE("stack misaligned", -EACCES, "misaligned stack access off -12", ST(DW, FP, -12, 0), RETURN(0)),
    CASE("pointer spilled and filled", 0, NULL, STX(DW, FP, R1, -8), LDX(DW, R2, FP, -8), LDX(DW, R0, R2, 16), EXIT()),
    CASE("pointer spilled and spoiled", -EACCES, "invalid mem access 'scalar'", STX(DW, FP, R1, -8), ST(B, FP, -8, 0),
	 LDX(DW, R2, FP, -8), LDX(DW, R0, R2, 16), EXIT()),
    CASE("stack at a bounded offset", 0, NULL, ST(DW, FP, -16, 0), ST(DW, FP, -8, 0), LDX(DW, R2, R1, 16),
	 ALU64_K(AND, R2, 15), MOV_X(R3, FP), ADD_X(R3, R2), LDX(B, R0, R3, -16), EXIT()),
    CASE("stack at an offset that may leave it", -EACCES, "variable-offset stack", ST(DW, FP, -8, 0),
	 LDX(DW, R2, R1, 16), ALU64_K(AND, R2, 15), MOV_X(R3, FP), ADD_X(R3, R2), LDX(B, R0, R3, -8), EXIT()),
    CASE_K("constant kept on the stack", 0, NULL, "it dereferences no moved context", ST(W, FP, -8, 8),
	   LDX(W, R2, FP, -8), ADD_X(R1, R2), LDX(DW, R0, R1, 8), EXIT()),
    CASE_K("zeros on the stack stay known", 0, NULL, "it dereferences no moved context", ST(DW, FP, -8, 0),
	   LDX(B, R2, FP, -3), ADD_X(R1, R2), LDX(DW, R0, R1, 8), EXIT()),
    CASE("stack address overwritten at an unknown place", -EACCES, "invalid mem access 'scalar'", STX(DW, FP, R1, -8),
	 ST(DW, FP, -16, 0), LDX(DW, R2, R1, 16), ALU64_K(AND, R2, 8), MOV_X(R3, FP), ADD_X(R3, R2), ST(DW, R3, -16, 0),
	 LDX(DW, R4, FP, -8), LDX(DW, R0, R4, 16), EXIT()),

    /* --- pointers --- */
    CASE("a number is no pointer", -EACCES, "invalid mem access 'scalar'", MOV_K(R2, 4096), LDX(DW, R0, R2, 0), EXIT()),
    CASE("pointer times number", -EACCES, "prohibited", ALU64_K(MUL, R1, 2), RETURN(0)),
    CASE("32-bit pointer arithmetic", -EACCES, "32-bit pointer arithmetic", ALU32_K(ADD, R1, 2), RETURN(0)),
    CASE("number minus pointer", -EACCES, "subtract pointer from scalar", MOV_K(R0, 8), ALU64_X(SUB, R0, R1),
	 RETURN(0)),
    CASE("pointer minus pointer", 0, NULL, MOV_X(R0, FP), ALU64_X(SUB, R0, FP), EXIT()),
    CASE("pointer plus pointer", -EACCES, "prohibited", ADD_X(R1, FP), RETURN(0)),
    CASE("negated pointer is a number", 0, NULL, NEG_(R1), MOV_X(R0, R1), EXIT()),
    CASE("negated pointer is no pointer", -EACCES, "invalid mem access 'scalar'", NEG_(R1), LDX(DW, R0, R1, 16),
	 EXIT()),
    CASE("map pointer moved", -EACCES, "prohibited", LD_MAP(R1, MAP_ARRAY), ADD_K(R1, 8), RETURN(0)),
    CASE("map pointer read", -EACCES, "invalid mem access 'map_ptr'", LD_MAP(R1, MAP_ARRAY), LDX(DW, R0, R1, 8192),
	 EXIT()),

    /* --- map values --- */
    CASE("value read", 0, NULL, LOOKUP_OR(MAP_ARRAY, 1), LDX(DW, R0, R0, 40), EXIT()),
    CASE("value without a null check", -EACCES, "map_value_or_null", LOOKUP(MAP_ARRAY), LDX(DW, R0, R0, 0), EXIT()),
    CASE("value used where it is null", -EACCES, "invalid mem access 'scalar'", LOOKUP(MAP_ARRAY), J_K(JNE, R0, 0, 1),
	 LDX(DW, R0, R0, 0), RETURN(0)),
    CASE("value behind its end", -EACCES, "invalid access to map value, value_size=48 off=41 size=8",
	 LOOKUP_OR(MAP_ARRAY, 1), LDX(DW, R0, R0, 41), EXIT()),
    CASE("value before its start", -EACCES, "invalid access to map value", LOOKUP_OR(MAP_ARRAY, 1), LDX(B, R0, R0, -1),
	 EXIT()),
    CASE("one check serves all copies", 0, NULL, LOOKUP(MAP_ARRAY), MOV_X(R6, R0), J_K(JEQ, R0, 0, 1),
	 LDX(DW, R0, R6, 0), EXIT()),
    CASE("one check of two lookups", -EACCES, "map_value_or_null", LOOKUP(MAP_ARRAY), MOV_X(R6, R0), LOOKUP(MAP_ARRAY),
	 J_K(JEQ, R0, 0, 1), LDX(DW, R0, R6, 0), EXIT()),
    CASE("value moved before the check", -EACCES, "null-check it first", LOOKUP(MAP_ARRAY), ADD_K(R0, 8), RETURN(0)),
    CASE("index with a bound", 0, NULL, MOV_X(R6, R1), LOOKUP(MAP_ARRAY), J_K(JEQ, R0, 0, 4), LDX(W, R1, R6, 16),
	 J_K(JGT, R1, 47, 2), ADD_X(R0, R1), LDX(B, R0, R0, 0), RETURN(0)),
    CASE("index with a bound one too high", -EACCES, "max value is outside", MOV_X(R6, R1), LOOKUP(MAP_ARRAY),
	 J_K(JEQ, R0, 0, 4), LDX(W, R1, R6, 16), J_K(JGT, R1, 48, 2), ADD_X(R0, R1), LDX(B, R0, R0, 0), RETURN(0)),
    CASE("signed index without a lower bound", -EACCES, "unbounded min value", MOV_X(R6, R1), LOOKUP(MAP_ARRAY),
	 J_K(JEQ, R0, 0, 4), LDX(DW, R1, R6, 16), J_K(JSGT, R1, 47, 2), ADD_X(R0, R1), LDX(B, R0, R0, 0), RETURN(0)),
    CASE("index without a bound", -EACCES, "unbounded memory access", MOV_X(R6, R1), LOOKUP(MAP_ARRAY),
	 J_K(JEQ, R0, 0, 3), LDX(W, R1, R6, 16), ADD_X(R0, R1), LDX(B, R0, R0, 0), RETURN(0)),
    CASE_K("index by remainder", 0, NULL, "it does not follow remainders", MOV_X(R6, R1), LOOKUP(MAP_ARRAY),
	   J_K(JEQ, R0, 0, 4), LDX(W, R1, R6, 16), ALU64_K(MOD, R1, 48), ADD_X(R0, R1), LDX(B, R0, R0, 0), RETURN(0)),
    CASE("bound taken from a copy", 0, NULL, MOV_X(R6, R1), LOOKUP(MAP_ARRAY), J_K(JEQ, R0, 0, 5), LDX(W, R1, R6, 16),
	 MOV_X(R2, R1), J_K(JGT, R2, 47, 2), ADD_X(R0, R1), LDX(B, R0, R0, 0), RETURN(0)),
    CASE("bound taken from a copy on the stack", 0, NULL, MOV_X(R6, R1), LOOKUP(MAP_ARRAY), J_K(JEQ, R0, 0, 6),
	 LDX(W, R1, R6, 16), STX(DW, FP, R1, -16), J_K(JGT, R1, 47, 3), LDX(DW, R3, FP, -16), ADD_X(R0, R3),
	 LDX(B, R0, R0, 0), RETURN(0)),
    CASE("copy changed before the test", -EACCES, "outside of the allowed", MOV_X(R6, R1), LOOKUP(MAP_ARRAY),
	 J_K(JEQ, R0, 0, 7), LDX(W, R1, R6, 16), ALU64_K(AND, R1, 127), MOV_X(R2, R1), ADD_K(R2, -40),
	 J_K(JSGT, R2, 7, 2), ADD_X(R0, R1), LDX(B, R0, R0, 2), RETURN(0)),
    CASE("32-bit bound", 0, NULL, MOV_X(R6, R1), LOOKUP(MAP_ARRAY), J_K(JEQ, R0, 0, 5), LDX(DW, R1, R6, 16),
	 MOV32_X(R1, R1), J32_K(JGT, R1, 47, 2), ADD_X(R0, R1), LDX(B, R0, R0, 0), RETURN(0)),
    CASE("32-bit bound of a 64-bit number", -EACCES, "unbounded", MOV_X(R6, R1), LOOKUP(MAP_ARRAY), J_K(JEQ, R0, 0, 4),
	 LDX(DW, R1, R6, 16), J32_K(JGT, R1, 47, 2), ADD_X(R0, R1), LDX(B, R0, R0, 0), RETURN(0)),
    CASE("global data", 0, NULL, LD_VALUE(R1, MAP_DATA, 8), LDX(W, R0, R1, 0), STX(W, R1, R0, 4), EXIT()),
    CASE("global data behind its end", -EINVAL, "direct value offset", LD_VALUE(R1, MAP_DATA, 64), RETURN(0)),
    CASE("direct access of a hash", -EINVAL, "no direct value access", LD_VALUE(R1, MAP_HASH, 0), RETURN(0)),
    CASE("constant data decides", 0, NULL, LD_VALUE(R2, MAP_RODATA, 8), LDX(W, R3, R2, 0), J_K(JEQ, R3, 7, 1),
	 LDX(DW, R0, R3, 0), RETURN(0)),
    CASE("constant data written", -EACCES, "write into map forbidden", LD_VALUE(R1, MAP_RODATA, 0), ST(W, R1, 0, 1),
	 RETURN(0)),
    CASE("atomic on a value", 0, NULL, LOOKUP_OR(MAP_ARRAY, 2), MOV_K(R1, 1),
	 ATOMIC_OP(DW, BPF_ADD | BPF_FETCH, R0, R1, 0), RETURN(0)),
    CASE("misaligned atomic", -EACCES, "misaligned", LOOKUP_OR(MAP_ARRAY, 2), MOV_K(R1, 1),
	 ATOMIC_OP(DW, BPF_ADD, R0, R1, 4), RETURN(0)),
    CASE("map in a map", 0, NULL, LOOKUP_OR(MAP_NESTED, 8), ST(DW, FP, -16, 1), MOV_X(R1, R0), MOV_X(R2, FP),
	 ADD_K(R2, -16), CALL(map_lookup_elem), J_K(JEQ, R0, 0, 1), LDX(DW, R0, R0, 40), GOTO(0), RETURN(0)),
    CASE("map in a map without a null check", -EACCES, "expected=map_ptr", LOOKUP(MAP_NESTED), MOV_X(R1, R0),
	 MOV_X(R2, FP), ADD_K(R2, -8), CALL(map_lookup_elem), RETURN(0)),

    /* --- helpers --- */
    CASE("unknown helper", -EINVAL, "invalid func", INSN(INSN_CALL, 0, 0, 0, 9999), RETURN(0)),
    CASE("helper that is not served", -EOPNOTSUPP, "unknown func bpf_skb_store_bytes#9", CALL(skb_store_bytes),
	 RETURN(0)),
    CASE("kernel function", -EOPNOTSUPP, "kernel functions", INSN(INSN_CALL, 0, BPF_PSEUDO_KFUNC_CALL, 0, 1),
	 RETURN(0)),
    CASE("kernel variable", -EOPNOTSUPP, "kernel variables", INSN(INSN_LDDW, R0, BPF_PSEUDO_BTF_ID, 0, 1),
	 INSN(0, 0, 0, 0, 0), EXIT()),
    CASE("helper without its argument", -EACCES, "R2 !read_ok", LD_MAP(R1, MAP_ARRAY), CALL(map_lookup_elem),
	 RETURN(0)),
    CASE_K("key not written", -EACCES, "invalid read from stack", "since 6.3 privileged programs may", MOV_X(R2, FP),
	   ADD_K(R2, -8), LD_MAP(R1, MAP_ARRAY), CALL(map_lookup_elem), RETURN(0)),
    CASE("key in a value", 0, NULL, LOOKUP_OR(MAP_ARRAY, 4), MOV_X(R2, R0), LD_MAP(R1, MAP_HASH), CALL(map_lookup_elem),
	 RETURN(0)),
    CASE("key too near the end of a value", -EACCES, "invalid access to map value", LOOKUP_OR(MAP_ARRAY, 5),
	 MOV_X(R2, R0), ADD_K(R2, 44), LD_MAP(R1, MAP_HASH), CALL(map_lookup_elem), RETURN(0)),
    CASE("map of the wrong type", -EINVAL, "cannot pass map_type", ST(DW, FP, -8, 0), MOV_X(R2, FP), ADD_K(R2, -8),
	 LD_MAP(R1, MAP_RINGBUF), CALL(map_lookup_elem), RETURN(0)),
    CASE("no map", -EACCES, "expected=map_ptr", ST(DW, FP, -8, 0), MOV_X(R2, FP), ADD_K(R2, -8), MOV_K(R1, 0),
	 CALL(map_lookup_elem), RETURN(0)),
    CASE("memory that a helper fills", 0, NULL, MOV_X(R1, FP), ADD_K(R1, -16), MOV_K(R2, 16), CALL(get_current_comm),
	 LDX(DW, R0, FP, -8), EXIT()),
    CASE("memory past the stack", -EACCES, "invalid stack", MOV_X(R1, FP), ADD_K(R1, -16), MOV_K(R2, 17),
	 CALL(get_current_comm), RETURN(0)),
    CASE("size zero where it must not be", -EACCES, "zero-sized", MOV_X(R1, FP), ADD_K(R1, -16), MOV_K(R2, 0),
	 CALL(get_current_comm), RETURN(0)),
    CASE("size with a bound", 0, NULL, LDX(DW, R3, R1, 16), LDX(DW, R2, R1, 24), ALU64_K(AND, R2, 15),
	 ST(DW, FP, -16, 0), ST(DW, FP, -8, 0), MOV_X(R1, FP), ADD_K(R1, -16), CALL(probe_read_user), RETURN(0)),
    CASE("size without a bound", -EACCES, "unbounded memory access", LDX(DW, R3, R1, 16), LDX(W, R2, R1, 24),
	 ST(DW, FP, -16, 0), ST(DW, FP, -8, 0), MOV_X(R1, FP), ADD_K(R1, -16), CALL(probe_read_user), RETURN(0)),
    CASE("size that may be negative", -EACCES, "min value is negative", LDX(DW, R3, R1, 16), LDX(DW, R2, R1, 24),
	 J_K(JSGT, R2, 15, 6), ST(DW, FP, -16, 0), ST(DW, FP, -8, 0), MOV_X(R1, FP), ADD_K(R1, -16),
	 CALL(probe_read_user), GOTO(0), RETURN(0)),
    CASE("length of a string that was read", 0, NULL, LDX(DW, R3, R1, 16), MOV_X(R6, R1), LOOKUP(MAP_DATA),
	 J_K(JEQ, R0, 0, 10), MOV_X(R7, R0), MOV_X(R1, R0), MOV_K(R2, 32), LDX(DW, R3, R6, 16),
	 CALL(probe_read_user_str), J_K(JSLT, R0, 0, 4), J_K(JGT, R0, 32, 3), ADD_X(R7, R0), LDX(B, R0, R7, 31),
	 GOTO(0), RETURN(0)),
    CASE_K("caller's context handed on", 0, NULL, "override_return is for kprobes there", MOV_K(R2, -1),
	   CALL(override_return), RETURN(0)),
    CASE_K("moved context handed on", -EACCES, "modified ctx", "override_return is for kprobes there", ADD_K(R1, 8),
	   MOV_K(R2, -1), CALL(override_return), RETURN(0)),
    CASE("string from constant data", 0, NULL, ST(DW, FP, -8, 0), MOV_X(R1, FP), ADD_K(R1, -8), MOV_K(R2, 8),
	 LD_VALUE(R3, MAP_RODATA, 0), CALL(strncmp), EXIT()),
    CASE("string from data that may change", -EACCES, "readonly map", ST(DW, FP, -8, 0), MOV_X(R1, FP), ADD_K(R1, -8),
	 MOV_K(R2, 8), LD_VALUE(R3, MAP_DATA, 0), CALL(strncmp), EXIT()),
    CASE("perf output", 0, NULL, ST(DW, FP, -8, 0), LD_MAP(R2, MAP_PERF), MOV_K(R3, -1), MOV_X(R4, FP), ADD_K(R4, -8),
	 MOV_K(R5, 8), CALL(perf_event_output), RETURN(0)),
    CASE("stack id", 0, NULL, LD_MAP(R2, MAP_STACKS), MOV_K(R3, 0), CALL(get_stackid), RETURN(0)),

/* --- references --- */
#define RESERVE(n) LD_MAP(R1, MAP_RINGBUF), MOV_K(R2, n), MOV_K(R3, 0), CALL(ringbuf_reserve)
    CASE("record submitted", 0, NULL, RESERVE(8), J_K(JEQ, R0, 0, 4), ST(DW, R0, 0, 7), MOV_X(R1, R0), MOV_K(R2, 0),
	 CALL(ringbuf_submit), RETURN(0)),
    CASE("record forgotten", -EINVAL, "Unreleased reference", RESERVE(8), RETURN(0)),
    CASE("record forgotten on one way", -EINVAL, "Unreleased reference", MOV_X(R6, R1), RESERVE(8), J_K(JEQ, R0, 0, 5),
	 LDX(DW, R7, R6, 16), J_K(JEQ, R7, 0, 3), MOV_X(R1, R0), MOV_K(R2, 0), CALL(ringbuf_discard), RETURN(0)),
    CASE("record submitted twice", -EACCES, "type=scalar expected=ringbuf_mem", RESERVE(8), J_K(JEQ, R0, 0, 7),
	 MOV_X(R6, R0), MOV_X(R1, R0), MOV_K(R2, 0), CALL(ringbuf_submit), MOV_X(R1, R6), MOV_K(R2, 0),
	 CALL(ringbuf_submit), RETURN(0)),
    CASE("record used after it was submitted", -EACCES, "invalid mem access 'scalar'", RESERVE(8), J_K(JEQ, R0, 0, 5),
	 MOV_X(R6, R0), MOV_X(R1, R0), MOV_K(R2, 0), CALL(ringbuf_submit), ST(DW, R6, 0, 1), RETURN(0)),
    CASE("record behind its end", -EACCES, "mem_size=8", RESERVE(8), J_K(JEQ, R0, 0, 4), ST(DW, R0, 4, 7),
	 MOV_X(R1, R0), MOV_K(R2, 0), CALL(ringbuf_submit), RETURN(0)),
    CASE("record that may be null submitted", -EACCES, "expected=ringbuf_mem", RESERVE(8), MOV_X(R1, R0), MOV_K(R2, 0),
	 CALL(ringbuf_submit), RETURN(0)),
    CASE("record of unknown size", -EACCES, "not a known constant", LDX(DW, R2, R1, 16), ALU64_K(AND, R2, 8),
	 LD_MAP(R1, MAP_RINGBUF), MOV_K(R3, 0), CALL(ringbuf_reserve), RETURN(0)),
    CASE("record moved before it is given back", -EACCES, "zero offset", RESERVE(8), J_K(JEQ, R0, 0, 4), ADD_K(R0, 1),
	 MOV_X(R1, R0), MOV_K(R2, 0), CALL(ringbuf_submit), RETURN(0)),
    CASE("tail call with a record in hand", -EINVAL, "reference leak", MOV_X(R6, R1), RESERVE(8), J_K(JEQ, R0, 0, 5),
	 MOV_X(R1, R6), LD_MAP(R2, MAP_PROGS), MOV_K(R3, 0), CALL(tail_call), RETURN(0)),

/* --- dynptrs: at fp - 16, of a value's bytes or of a record --- */
#define DYN(reg, off) MOV_X(reg, FP), ADD_K(reg, off)
/* Of 8 bytes in the value that R1 points to; 5 slots. */
#define FROM_MEM MOV_K(R2, 8), MOV_K(R3, 0), DYN(R4, -16), CALL(dynptr_from_mem)
/* 7 slots. */
#define LOCAL LD_VALUE(R1, MAP_DATA, 0), MOV_K(R2, 8), MOV_K(R3, 0), DYN(R4, -16), CALL(dynptr_from_mem)
#define RESERVE_DYN(n) LD_MAP(R1, MAP_RINGBUF), MOV_K(R2, n), MOV_K(R3, 0), DYN(R4, -16), CALL(ringbuf_reserve_dynptr)
#define SUBMIT_DYN DYN(R1, -16), MOV_K(R2, 0), CALL(ringbuf_submit_dynptr)
#define SLICE(n) DYN(R1, -16), MOV_K(R2, 0), MOV_K(R3, n), CALL(dynptr_data)
    CASE("dynptr of a value, written and read", 0, NULL, LOCAL, ST(DW, FP, -24, 7), DYN(R1, -16), MOV_K(R2, 0),
	 DYN(R3, -24), MOV_K(R4, 8), MOV_K(R5, 0), CALL(dynptr_write), DYN(R1, -32), MOV_K(R2, 8), DYN(R3, -16),
	 MOV_K(R4, 0), MOV_K(R5, 0), CALL(dynptr_read), LDX(DW, R0, FP, -32), EXIT()),
    CASE("slice of a dynptr", 0, NULL, LOCAL, SLICE(8), J_K(JEQ, R0, 0, 1), ST(DW, R0, 0, 5), RETURN(0)),
    CASE("slice behind its end", -EACCES, "outside of the allowed memory range", LOCAL, SLICE(8), J_K(JEQ, R0, 0, 1),
	 ST(DW, R0, 4, 5), RETURN(0)),
    CASE("slice that may be null", -EACCES, "invalid mem access 'mem_or_null'", LOCAL, SLICE(8), ST(DW, R0, 0, 5),
	 RETURN(0)),
    CASE("slice of unknown length", -EACCES, "not a known constant", LDX(DW, R6, R1, 16), ALU64_K(AND, R6, 7), LOCAL,
	 DYN(R1, -16), MOV_K(R2, 0), MOV_X(R3, R6), CALL(dynptr_data), RETURN(0)),
    CASE("dynptr of the stack's memory", -EACCES, "Unsupported reg type fp", ST(DW, FP, -24, 0), DYN(R1, -24), FROM_MEM,
	 RETURN(0)),
    CASE("dynptr of read-only memory", -EACCES, "write into map forbidden", LD_VALUE(R1, MAP_RODATA, 0), FROM_MEM,
	 RETURN(0)),
    CASE("dynptr of more than the value", -EACCES, "outside of the allowed memory range", LD_VALUE(R1, MAP_DATA, 60),
	 FROM_MEM, RETURN(0)),
    CASE("dynptr that was not made", -EINVAL, "Expected an initialized dynptr", ST(DW, FP, -16, 0), ST(DW, FP, -8, 0),
	 SLICE(8), RETURN(0)),
    CASE("second half of a dynptr", -EINVAL, NULL, LOCAL, DYN(R1, -8), MOV_K(R2, 0), MOV_K(R3, 8), CALL(dynptr_data),
	 RETURN(0)),
    CASE("dynptr made on one way only", -EINVAL, "Expected an initialized dynptr", LDX(DW, R6, R1, 16),
	 ST(DW, FP, -16, 0), ST(DW, FP, -8, 0), J_K(JEQ, R6, 0, 7), LOCAL, SLICE(8), RETURN(0)),
    CASE("dynptr at an odd place", -EINVAL, "cannot pass in dynptr at an offset", LD_VALUE(R1, MAP_DATA, 0),
	 MOV_K(R2, 8), MOV_K(R3, 0), DYN(R4, -12), CALL(dynptr_from_mem), RETURN(0)),
    CASE("dynptr that reaches over the frame's end", -EINVAL, "cannot pass in dynptr at an offset",
	 LD_VALUE(R1, MAP_DATA, 0), MOV_K(R2, 8), MOV_K(R3, 0), DYN(R4, -8), CALL(dynptr_from_mem), RETURN(0)),
    CASE("dynptr in a value", -EACCES, "expected=fp, dynptr_ptr", LD_VALUE(R1, MAP_DATA, 0), MOV_K(R2, 8), MOV_K(R3, 0),
	 LD_VALUE(R4, MAP_DATA, 16), CALL(dynptr_from_mem), RETURN(0)),
    CASE("dynptr read as bytes", -EACCES, "invalid read from stack", LOCAL, LDX(DW, R0, FP, -16), EXIT()),
    CASE("dynptr given to a helper as bytes", -EACCES, "invalid", LOCAL, DYN(R1, -16), MOV_K(R2, 8),
	 LD_VALUE(R3, MAP_RODATA, 0), CALL(strncmp), EXIT()),
    CASE("dynptr written by a helper", -EACCES, "potential write to dynptr", LOCAL, DYN(R1, -24), MOV_K(R2, 16),
	 CALL(get_current_comm), RETURN(0)),
    CASE("dynptr stored over, then used", -EINVAL, "Expected an initialized dynptr", LOCAL, ST(DW, FP, -8, 0), SLICE(8),
	 RETURN(0)),
    CASE("dynptr made again", 0, NULL, LOCAL, LOCAL, SLICE(8), J_K(JEQ, R0, 0, 1), ST(DW, R0, 0, 5), RETURN(0)),
    CASE("slice used after its dynptr was made again", -EACCES, "invalid mem access 'scalar'", LOCAL, SLICE(8),
	 J_K(JEQ, R0, 0, 9), MOV_X(R6, R0), LOCAL, ST(DW, R6, 0, 5), RETURN(0)),
    CASE("slice used after its dynptr was stored over", -EACCES, "invalid mem access 'scalar'", LOCAL, SLICE(8),
	 J_K(JEQ, R0, 0, 2), ST(DW, FP, -16, 0), ST(DW, R0, 0, 5), RETURN(0)),
    CASE("record by dynptr", 0, NULL, RESERVE_DYN(8), SLICE(8), J_K(JEQ, R0, 0, 1), ST(DW, R0, 0, 5), SUBMIT_DYN,
	 RETURN(0)),
    CASE("record by dynptr, of a size that is not known", 0, NULL, LDX(DW, R2, R1, 16), LD_MAP(R1, MAP_RINGBUF),
	 MOV_K(R3, 0), DYN(R4, -16), CALL(ringbuf_reserve_dynptr), SUBMIT_DYN, RETURN(0)),
    CASE("record by dynptr forgotten", -EINVAL, "Unreleased reference", RESERVE_DYN(8), RETURN(0)),
    CASE("record by dynptr forgotten where it failed", -EINVAL, "Unreleased reference", RESERVE_DYN(8),
	 J_K(JNE, R0, 0, 4), SUBMIT_DYN, RETURN(0)),
    CASE("record by dynptr submitted twice", -EINVAL, "Expected an initialized dynptr", RESERVE_DYN(8), SUBMIT_DYN,
	 SUBMIT_DYN, RETURN(0)),
    CASE("record by dynptr stored over", -EINVAL, "cannot overwrite referenced dynptr", RESERVE_DYN(8),
	 ST(DW, FP, -16, 0), SUBMIT_DYN, RETURN(0)),
    CASE("record by dynptr reserved over another", -EINVAL, "cannot overwrite referenced dynptr", RESERVE_DYN(8),
	 RESERVE_DYN(8), SUBMIT_DYN, RETURN(0)),
    CASE("slice used after the record was submitted", -EACCES, "invalid mem access 'scalar'", RESERVE_DYN(8), SLICE(8),
	 MOV_X(R6, R0), SUBMIT_DYN, J_K(JEQ, R6, 0, 1), ST(DW, R6, 0, 5), RETURN(0)),
    CASE("slice submitted as a record", -EACCES, "expected=ringbuf_mem", RESERVE_DYN(8), SLICE(8), J_K(JEQ, R0, 0, 3),
	 MOV_X(R1, R0), MOV_K(R2, 0), CALL(ringbuf_submit), SUBMIT_DYN, RETURN(0)),
    CASE("dynptr of a value submitted", -EINVAL, "Expected a dynptr of type ringbuf", LOCAL, SUBMIT_DYN, RETURN(0)),
    CASE("tail call with a record by dynptr in hand", -EINVAL, "reference leak", MOV_X(R6, R1), RESERVE_DYN(8),
	 MOV_X(R1, R6), TAIL(MAP_PROGS), SUBMIT_DYN, RETURN(0)),
    CASE("dynptr of a caller used in a function", 0, NULL, LOCAL, DYN(R1, -16), CALL_LOCAL(2), RETURN(0), MOV_K(R2, 0),
	 MOV_K(R3, 8), CALL(dynptr_data), J_K(JEQ, R0, 0, 1), ST(DW, R0, 0, 5), RETURN(0)),

/* --- locks --- */
#define LOCKED(rest) LOOKUP_OR(MAP_LOCKED, rest), MOV_X(R6, R0), MOV_X(R1, R6), ADD_K(R1, 4), CALL(spin_lock)
#define UNLOCK MOV_X(R1, R6), ADD_K(R1, 4), CALL(spin_unlock)
    CASE_K("lock and unlock", 0, NULL, "tracing programs have no locks", LOCKED(8), ST(DW, R6, 8, 1), UNLOCK,
	   RETURN(0)),
    CASE_K("lock kept", -EINVAL, "bpf_spin_unlock is missing", "as above", LOCKED(4), RETURN(0)),
    CASE_K("lock taken twice", -EINVAL, "Locking two", "as above", LOCKED(7), MOV_X(R1, R6), ADD_K(R1, 4),
	   CALL(spin_lock), RETURN(0)),
    CASE_K("unlock of what is not held", -EINVAL, "without taking a lock", "as above", LOOKUP_OR(MAP_LOCKED, 4),
	   MOV_X(R6, R0), UNLOCK, RETURN(0)),
    CASE_K("helper under the lock", -EINVAL, "while holding a lock", "as above", LOCKED(8), CALL(ktime_get_ns), UNLOCK,
	   RETURN(0)),
    CASE_K("lock written", -EACCES, "cannot be accessed directly", "as above", LOOKUP_OR(MAP_LOCKED, 1),
	   ST(W, R0, 4, 1), RETURN(0)),
    CASE_K("unlock of another value", -EINVAL, "different lock", "as above", LOOKUP_OR(MAP_LOCKED, 13), MOV_X(R7, R0),
	   LOOKUP_OR(MAP_LOCKED, 8), MOV_X(R6, R0), MOV_X(R1, R7), ADD_K(R1, 4), CALL(spin_lock), UNLOCK, RETURN(0)),

    /* --- loops --- */
    CASE("bounded loop", 0, NULL, MOV_K(R0, 0), ADD_K(R0, 1), J_K(JLT, R0, 100, -2), EXIT()),
    CASE("endless loop", -EINVAL, "infinite loop detected", MOV_K(R0, 0), GOTO(-1)),
    CASE("endless loop with a way out", -EINVAL, "infinite loop detected", MOV_K(R0, 0), LDX(DW, R2, R1, 16),
	 J_K(JEQ, R2, 5, 1), GOTO(-2), EXIT()),
    CASE("loop that only wraps around", -E2BIG, "too large", MOV_K(R0, 1), ADD_K(R0, 2), J_K(JNE, R0, 0, -2), EXIT()),
    CASE("loop with an irrelevant counter", 0, NULL, MOV_X(R6, R1), MOV_K(R0, 0), MOV_K(R7, 0), LDX(DW, R2, R6, 16),
	 J_K(JEQ, R2, 5, 1), ADD_K(R7, 3), LDX(DW, R2, R6, 24), J_K(JEQ, R2, 5, 1), ADD_K(R7, 7), ADD_K(R0, 1),
	 J_K(JLT, R0, 200, -8), MOV_X(R0, R7), EXIT()),
    CASE("loop that fills an array", 0, NULL, MOV_K(R2, 0), MOV_X(R3, FP), ADD_K(R3, -64), ADD_X(R3, R2),
	 ST(DW, R3, 0, 1), ADD_K(R2, 8), J_K(JLT, R2, 64, -6), LDX(DW, R0, FP, -8), EXIT()),
    CASE("loop that runs over its array", -EACCES, "invalid stack", MOV_K(R2, 0), MOV_X(R3, FP), ADD_K(R3, -64),
	 ADD_X(R3, R2), ST(DW, R3, 0, 1), ADD_K(R2, 8), J_K(JLE, R2, 64, -6), RETURN(0)),
    CASE("twenty branches", 0, NULL, MOV_K(R0, 0), LDX(DW, R2, R1, 16), BIT(0), BIT(1), BIT(2), BIT(3), BIT(4), BIT(5),
	 BIT(6), BIT(7), BIT(8), BIT(9), BIT(10), BIT(11), BIT(12), BIT(13), BIT(14), BIT(15), BIT(16), BIT(17),
	 BIT(18), BIT(19), EXIT()),

    /* --- functions --- */
    CASE("local call", 0, NULL, MOV_K(R1, 2), CALL_LOCAL(1), EXIT(), MOV_X(R0, R1), ADD_K(R0, 1), EXIT()),
    CASE("local call without its argument", -EACCES, "R2 !read_ok", CALL_LOCAL(1), EXIT(), MOV_X(R0, R2), EXIT()),
    CASE("callee's registers are its own", -EACCES, "R6 !read_ok", MOV_K(R6, 1), CALL_LOCAL(1), EXIT(), MOV_X(R0, R6),
	 EXIT()),
    CASE("caller's stack through a pointer", 0, NULL, MOV_X(R1, FP), ADD_K(R1, -8), CALL_LOCAL(2), LDX(DW, R0, FP, -8),
	 EXIT(), ST(DW, R1, 0, 7), RETURN(0)),
    CASE("number that a callee left on the caller's stack", -EACCES, "invalid access to map value", MOV_X(R1, FP),
	 ADD_K(R1, -16), CALL_LOCAL(12), LOOKUP_OR(MAP_ARRAY, 3), LDX(DW, R1, FP, -16), ADD_X(R0, R1),
	 LDX(DW, R0, R0, 0), RETURN(0), ST(DW, R1, 0, 44), RETURN(0)),
    CASE("pointer into a frame that is gone", -EINVAL, "cannot return stack pointer", CALL_LOCAL(1), EXIT(),
	 MOV_X(R0, FP), EXIT()),
    CASE("pointer into its own frame left in the caller's", -EINVAL, "into stack frame of the caller", MOV_X(R1, FP),
	 ADD_K(R1, -8), CALL_LOCAL(1), EXIT(), STX(DW, R1, FP, 0), RETURN(0)),
    CASE("recursion", -E2BIG, "too deep", MOV_K(R1, 1), CALL_LOCAL(1), EXIT(), CALL_LOCAL(-1), EXIT()),
    CASE("function without a result", 0, NULL, CALL_LOCAL(2), RETURN(0), MOV_K(R2, 1), EXIT()),
    CASE("result of a function without one", -EACCES, "R0 !read_ok", CALL_LOCAL(1), EXIT(), MOV_K(R2, 1), EXIT()),
    CASE_K("stacks too large together", -EACCES, "combined stack size",
	   "since 6.13 tracing programs have a stack a function", ST(DW, FP, -304, 0), CALL_LOCAL(2), RETURN(0),
	   ST(DW, FP, -304, 0), RETURN(0)),

/* --- callbacks --- */
#define LOOP(n, func_off, ctx) MOV_K(R1, n), LD_FUNC(R2, func_off), ctx, MOV_K(R4, 0), CALL(loop)
    CASE_K("loop callback", 0, NULL, "it wants BTF for callbacks", LOOP(10, 6, MOV_K(R3, 0)), RETURN(0), MOV_K(R0, 0),
	   EXIT()),
    CASE_K("loop callback with a counter on the stack", 0, NULL, "it wants BTF for callbacks", ST(DW, FP, -8, 0),
	   MOV_X(R3, FP), ADD_K(R3, -8), MOV_K(R1, 1000000), LD_FUNC(R2, 5), MOV_K(R4, 0), CALL(loop),
	   LDX(DW, R0, FP, -8), EXIT(), LDX(DW, R3, R2, 0), ADD_K(R3, 1), STX(DW, R2, R3, 0), RETURN(0)),
    CASE("loop callback that returns 2", -EINVAL, "should have been in [0, 1]", LOOP(10, 6, MOV_K(R3, 0)), RETURN(0),
	 RETURN(2)),
    CASE("index of a loop callback is not bounded", -EACCES, "unbounded", LOOP(4, 6, MOV_X(R3, FP)), RETURN(0),
	 ADD_X(R2, R1), ST(B, R2, -64, 0), RETURN(0)),
    CASE("what a callback counts is not known", -EACCES, "outside of the allowed", ST(DW, FP, -16, 0), MOV_X(R3, FP),
	 ADD_K(R3, -16), MOV_K(R1, 100), LD_FUNC(R2, 16), MOV_K(R4, 0), CALL(loop), LOOKUP_OR(MAP_ARRAY, 4),
	 LDX(DW, R1, FP, -16), J_K(JGT, R1, 49, 2), ADD_X(R0, R1), LDX(B, R0, R0, 0), RETURN(0), LDX(DW, R3, R2, 0),
	 ADD_K(R3, 1), STX(DW, R2, R3, 0), RETURN(0)),
    CASE("callback that breaks what the caller holds", -EACCES, "invalid mem access 'scalar'", STX(DW, FP, R1, -8),
	 MOV_X(R3, FP), ADD_K(R3, -8), MOV_K(R1, 1), LD_FUNC(R2, 6), MOV_K(R4, 0), CALL(loop), LDX(DW, R1, FP, -8),
	 LDX(DW, R0, R1, 16), EXIT(), ST(DW, R2, 0, 1), RETURN(0)),
    CASE("record taken in a callback and kept", -EINVAL, "Unreleased reference", LOOP(10, 6, MOV_K(R3, 0)), RETURN(0),
	 RESERVE(8), RETURN(0)),
    CASE_K("for each element", 0, NULL, "it wants BTF for callbacks", LD_MAP(R1, MAP_HASH), LD_FUNC(R2, 6),
	   MOV_K(R3, 0), MOV_K(R4, 0), CALL(for_each_map_elem), RETURN(0), LDX(DW, R5, R2, 0), STX(DW, R3, R5, 40),
	   RETURN(0)),
    CASE("for each element, key written", -EACCES, "change key", LD_MAP(R1, MAP_HASH), LD_FUNC(R2, 6), MOV_K(R3, 0),
	 MOV_K(R4, 0), CALL(for_each_map_elem), RETURN(0), ST(DW, R2, 0, 1), RETURN(0)),
    CASE("callback that is none", -EACCES, "expected=func", MOV_K(R1, 1), MOV_K(R2, 1), MOV_K(R3, 0), MOV_K(R4, 0),
	 CALL(loop), RETURN(0)),

/* --- what a state's future needs: each of these is accepted by a verifier that forgets one kind of need --- */
#define PAD MOV_K(R9, 0), MOV_K(R9, 1), MOV_K(R9, 2), MOV_K(R9, 3), MOV_K(R9, 4), MOV_K(R9, 5), GOTO(0), GOTO(0)
    CASE("same number, other copies", -EACCES, "unbounded memory access", MOV_X(R6, R1), LOOKUP_OR(MAP_ARRAY, 19),
	 MOV_X(R7, R0), LDX(W, R1, R6, 16), LDX(W, R4, R6, 24), J_K(JEQ, R4, 5, 2), MOV_X(R2, R1), GOTO(2),
	 MOV_X(R3, R1), LDX(W, R2, R6, 32), PAD, J_K(JGT, R2, 47, 2), ADD_X(R7, R1), LDX(B, R0, R7, 0), RETURN(0)),
    CASE("index that a callee takes from the caller's stack", -EACCES, "invalid stack", LDX(W, R4, R1, 24),
	 ST(DW, FP, -8, 100), J_K(JEQ, R4, 5, 1), ST(DW, FP, -8, 0), PAD, MOV_X(R1, FP), ADD_K(R1, -8), CALL_LOCAL(2),
	 RETURN(0), LDX(DW, R4, R1, 0), MOV_X(R5, FP), ADD_X(R5, R4), ST(B, R5, -16, 0), RETURN(0)),
    CASE("index that a callee leaves on the caller's stack", -EACCES, "invalid stack", LDX(W, R4, R1, 24),
	 MOV_K(R2, 100), J_K(JEQ, R4, 5, 1), MOV_K(R2, 0), PAD, MOV_X(R1, FP), ADD_K(R1, -8), CALL_LOCAL(6),
	 LDX(DW, R4, FP, -8), MOV_X(R5, FP), ADD_X(R5, R4), ST(B, R5, -16, 0), RETURN(0), STX(DW, R1, R2, 0),
	 RETURN(0)),
    CASE("index that a callee returns", -EACCES, "invalid stack", LDX(W, R4, R1, 24), MOV_K(R1, 100),
	 J_K(JEQ, R4, 5, 1), MOV_K(R1, 0), PAD, CALL_LOCAL(5), MOV_X(R5, FP), ADD_X(R5, R0), ST(B, R5, -16, 0),
	 RETURN(0), MOV_X(R0, R1), EXIT()),
    CASE("index that a later turn of a callback takes", -EACCES, "unbounded min value", ST(DW, FP, -8, 0),
	 MOV_X(R3, FP), ADD_K(R3, -8), MOV_K(R1, 4), LD_FUNC(R2, 5), MOV_K(R4, 0), CALL(loop), RETURN(0),
	 J_K(JEQ, R1, 100, 13), J_K(JEQ, R1, 200, 10), PAD, RETURN(0), ST(DW, R2, 0, 100), GOTO(-12),
	 LDX(DW, R4, R2, 0), MOV_X(R5, FP), ADD_X(R5, R4), ST(B, R5, -16, 0), RETURN(0)),

    /* --- tail calls --- */
    CASE("tail call", 0, NULL, LD_MAP(R2, MAP_PROGS), MOV_K(R3, 0), CALL(tail_call), RETURN(0)),
    CASE("tail call without a context", -EACCES, "expected=ctx", MOV_K(R1, 0), LD_MAP(R2, MAP_PROGS), MOV_K(R3, 0),
	 CALL(tail_call), RETURN(0)),
    CASE("result of a function that may be left by a tail call", -EACCES, "invalid mem access 'scalar'", CALL_LOCAL(2),
	 LDX(DW, R0, R0, 0), EXIT(), TAIL(MAP_PROGS), LD_VALUE(R0, MAP_DATA, 0), EXIT()),
    CASE_K("tail call in a function", 0, NULL, "it wants BTF for those", CALL_LOCAL(1), EXIT(), TAIL(MAP_PROGS),
	   RETURN(0)),
    CASE("tail call in a callback", -EINVAL, "not allowed in a callback", MOV_X(R3, FP), ADD_K(R3, -8),
	 STX(DW, FP, R1, -8), MOV_K(R1, 1), LD_FUNC(R2, 5), MOV_K(R4, 0), CALL(loop), RETURN(0), LDX(DW, R1, R2, 0),
	 TAIL(MAP_PROGS), RETURN(0)),
    CASE("no memory, but a size", -EACCES, "expected=fp", ST(DW, FP, -8, 0), MOV_X(R1, FP), ADD_K(R1, -8), MOV_K(R2, 8),
	 LD_VALUE(R3, MAP_RODATA, 0), MOV_K(R4, 0), MOV_K(R5, 8), CALL(snprintf), RETURN(0)),
    CASE("no memory and no size", 0, NULL, ST(DW, FP, -8, 0), MOV_X(R1, FP), ADD_K(R1, -8), MOV_K(R2, 8),
	 LD_VALUE(R3, MAP_RODATA, 0), MOV_K(R4, 0), MOV_K(R5, 0), CALL(snprintf), RETURN(0)),
    CASE("result of a tail call that failed", -EACCES, "R0 !read_ok", LD_MAP(R2, MAP_PROGS), MOV_K(R3, 0),
	 CALL(tail_call), EXIT()),
};

const uint32_t nvcases = array_len(vcases);
