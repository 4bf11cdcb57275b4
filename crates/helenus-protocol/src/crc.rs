//! The checksums of segments: CRC24 over the header, CRC32 over the payload.
//!
//! Native protocol v5 §2.1 and §2.2. CRC24: most significant bit first, initial value 0x875060, polynomial 0x1974F0B (of
//! degree 24, its highest bit included), no final inversion. CRC32: the usual one (IEEE), fed FA 2D 55 CA before the payload.

/// CRC24 of the bytes of a segment's header.
pub(crate) fn crc24(bytes: &[u8]) -> u32 {
    bytes.iter().fold(CRC24_INITIAL, |crc, byte| {
        let index = (crc >> 16) as u8 ^ byte;
        (crc << 8) & 0xFF_FFFF ^ CRC24_TABLE[usize::from(index)]
    })
}

/// CRC32 of a segment's payload.
pub(crate) fn crc32(payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new_with_initial(CRC32_PREFIXED);
    hasher.update(payload);
    hasher.finalize()
}

const CRC24_INITIAL: u32 = 0x87_5060;
const CRC24_POLYNOMIAL: u32 = 0x197_4F0B;

/// CRC32 of FA 2D 55 CA alone; as the vectors have it, also that of an empty payload.
const CRC32_PREFIXED: u32 = 0x4477_7ED3;

/// What the polynomial makes of each byte at the head of the register.
const CRC24_TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut index = 0;
    while index < 256 {
        let mut crc = (index as u32) << 16;
        let mut bit = 0;
        while bit < 8 {
            crc <<= 1;
            if crc & 0x100_0000 != 0 {
                crc ^= CRC24_POLYNOMIAL;
            }
            bit += 1;
        }
        table[index] = crc;
        index += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_have_the_checksums_of_the_vectors() {
        // Plain, 9 bytes, self-contained; LZ4, 5 from 9 bytes, self-contained.
        assert_eq!(crc24(&[0x09, 0x00, 0x02]), 0xC1_C8A4);
        assert_eq!(crc24(&[0x05, 0x00, 0x12, 0x00, 0x04]), 0x85_5678);
    }

    #[test]
    fn payloads_have_the_checksums_of_the_vectors() {
        assert_eq!(crc32(&[]), 0x4477_7ED3);
        assert_eq!(crc32(&[0; 9]), 0xCF5F_4C2F);
    }

    #[test]
    fn initial_checksum_is_that_of_the_four_bytes() {
        assert_eq!(crc32fast::hash(&[0xFA, 0x2D, 0x55, 0xCA]), CRC32_PREFIXED);
    }
}
