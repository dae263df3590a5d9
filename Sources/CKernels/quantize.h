/* Quantising: sections 3, 6.2.1 and 6.2.2. elementwise.h includes this. */

static uint32_t maximum_magnitude(const int32_t *x, size_t count) {
    u32x16 most = {0};
    BY_16(count, { most = __builtin_elementwise_max(most, magnitude(load_some(x + i, left))); })
    return greatest_of(most);
}

/* The codes of 16 elements, which fit in 16 bits: v * R is below 2^62, and what a logical shift loses lies above bit 16. */
INLINE i32x16 codes_of(i32x16 v, int64_t reciprocal, int32_t shift) {
    return narrow_low(round_shift_low(multiply(v, splat((int32_t)reciprocal)), shift));
}

INLINE void store_codes(i32x16 c, uint32_t form, char *codes, size_t i, size_t padded_count) {
    if (form == STLM_CODES_INT8) {
        const i8x16 bytes = __builtin_convertvector(c, i8x16);
        __builtin_memcpy(codes + i, &bytes, 16);
    } else if (form == STLM_CODES_INT16) {
        const i16x16 words = __builtin_convertvector(c, i16x16);
        __builtin_memcpy(codes + 2 * i, &words, 32);
    } else {
        const i32x16 signed_code = (i32x16)((u32x16)c << 16) >> 16;
        const i8x16 high = __builtin_convertvector(signed_code >> 8, i8x16), low_byte = __builtin_convertvector(c & 255, i8x16);
        __builtin_memcpy(codes + i, &high, 16);
        __builtin_memcpy(codes + padded_count + i, &low_byte, 16);
    }
}

static void quantize(
    const int32_t *x, size_t count, int64_t reciprocal, int32_t shift, uint32_t form, void *codes, size_t padded_count) {
    char *out = codes;
    size_t i = 0;
    for (; i + 16 <= count; i += 16) store_codes(codes_of(load(x + i), reciprocal, shift), form, out, i, padded_count);
    /* The rest and zeros, not one byte more: the codes of the next vector may follow at once. */
    if (i >= padded_count) return;
    const size_t left = padded_count - i < 16 ? padded_count - i : 16;
    char part[32];
    const i32x16 c = codes_of(load_some(x + i, count - i), reciprocal, shift);
    store_codes(c, form, part, 0, 16);
    if (form == STLM_CODES_INT16) {
        if (left == 16) __builtin_memcpy(out + 2 * i, part, 32);
        else copy_few(out + 2 * i, part, 2 * left);
    } else {
        copy_few(out + i, part, left);
        if (form == STLM_CODES_PLANES) copy_few(out + padded_count + i, part + 16, left);
    }
    for (i += left; i < padded_count; i++) {
        if (form == STLM_CODES_INT16) ((int16_t *)codes)[i] = 0;
        else out[i] = 0;
        if (form == STLM_CODES_PLANES) out[padded_count + i] = 0;
    }
}

/* The scale of section 3: of 8 bits K is 23, D 65,024, of 16 bits 31 and 65,534. */
static void quantize_heads(
    const int32_t *heads, size_t head_count, size_t head_size, int32_t fraction_bits, uint32_t form, void *codes, size_t code_stride,
    int32_t *scales) {
    const int is_narrow = form == STLM_CODES_INT8, kind = is_narrow ? 23 : 31;
    const uint64_t divisor = is_narrow ? 65024 : 65534;
    const size_t padded = is_narrow || code_stride < head_size + 1 ? head_size : head_size + (head_size & 1);
    char *place = codes;
    for (size_t h = 0; h < head_count; h++, heads += head_size, place += code_stride * (is_narrow ? 1 : 2)) {
        uint32_t most = maximum_magnitude(heads, head_size);
        if (most == 0) most = 1;
        const int length = 32 - __builtin_clz(most);
        const uint64_t mantissa = (((uint64_t)most << (32 - length)) + divisor - 1) / divisor;
        scales[2 * h] = (int32_t)mantissa;
        scales[2 * h + 1] = fraction_bits + kind - length;
        quantize(heads, head_size, (int64_t)((UINT64_C(1) << 46) / mantissa), 46 - kind + length, form, place, padded);
    }
}

INLINE i32x16 load_words(const int16_t *x, size_t count) {
    i16x16 words = {0};
    if (count >= 16) __builtin_memcpy(&words, x, 32);
    else copy_few(&words, x, 2 * count);
    return __builtin_convertvector(words, i32x16);
}

/* Sections 6.2.1 and 6.2.2: the candidates' r, and codes by them. */
#define RECIPROCALS(one, first, step)                                                                                              \
    {(one) / (first), (one) / (first + step), (one) / (first + 2 * step), (one) / (first + 3 * step), (one) / (first + 4 * step), \
     (one) / (first + 5 * step), (one) / (first + 6 * step), (one) / (first + 7 * step)}
static const int32_t nibble_reciprocals[STLM_CANDIDATE_COUNT] = RECIPROCALS(1 << 25, STLM_NIBBLE_HALF_FIRST, STLM_NIBBLE_HALF_STEP);
static const int32_t byte_reciprocals[STLM_CANDIDATE_COUNT] = RECIPROCALS(1 << 22, STLM_BYTE_FIRST, STLM_BYTE_STEP);

INLINE i32x16 candidate_codes(i32x16 u, int32_t reciprocal, const int is_nibble) {
    if (!is_nibble) return (u * reciprocal + (1 << 21)) >> 22;
    return __builtin_elementwise_min(__builtin_elementwise_max((u * reciprocal >> 26) + 8, splat(0)), splat(15));
}

INLINE int32_t quantize_least(const int16_t *x, size_t count, char *codes, const int is_nibble) {
    const int32_t *reciprocals = is_nibble ? nibble_reciprocals : byte_reciprocals;
    const int32_t first = is_nibble ? STLM_NIBBLE_HALF_FIRST : STLM_BYTE_FIRST, step = is_nibble ? STLM_NIBBLE_HALF_STEP : STLM_BYTE_STEP;
    int32_t best = 0;
    uint32_t least = UINT32_MAX;
    for (int32_t j = 0; j < STLM_CANDIDATE_COUNT; j++) {
        i32x16 sum = splat(0);
        BY_16(count, {
            const i32x16 u = load_words(x + i, left), n = candidate_codes(u, reciprocals[j], is_nibble);
            const i32x16 distance = u - (is_nibble ? 2 * n - 15 : n) * (first + j * step);
            /* Below 2^8 in magnitude. */
            const i32x16 narrow = keep_first(is_nibble ? distance >> 4 : distance, left);
            sum += narrow * narrow;
        })
        const uint32_t error = (uint32_t)__builtin_reduce_add(sum);
        if (error < least) {
            least = error;
            best = j;
        }
    }
    BY_16(count, {
        const i8x16 bytes = __builtin_convertvector(candidate_codes(load_words(x + i, left), reciprocals[best], is_nibble), i8x16);
        if (left == 16) __builtin_memcpy(codes + i, &bytes, 16);
        else copy_few(codes + i, &bytes, left);
    })
    return first + best * step;
}

static int32_t quantize_nibbles(const int16_t *x, size_t count, uint8_t *nibbles) { return quantize_least(x, count, (char *)nibbles, 1); }
static int32_t quantize_bytes(const int16_t *x, size_t count, int8_t *codes) { return quantize_least(x, count, (char *)codes, 0); }
