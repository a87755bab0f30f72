//! Batches: sound ones are read back, all others are not.

use super::*;

const PLACE: Place = Place { sequence: 3, salt: Salt(9), offset: 64 };

fn file_with(records: &[&[u8]], place: Place, previous: u32) -> Bytes {
    let mut builder = BatchBuilder::default();
    builder.clear();
    for record in records {
        builder.push(|out| out.put_slice(record));
    }
    let mut file = vec![0; place.offset as usize];
    file.extend_from_slice(builder.seal(place, previous).0);
    file.into()
}

#[test]
fn records_are_read_back_from_where_they_were_written() {
    let records: [&[u8]; 3] = [b"one", b"", b"three"];
    let file = file_with(&records, PLACE, 77);
    let batch = Batch::parse(&file, PLACE).expect("it is sound");
    assert_eq!(batch.previous, 77);
    assert_eq!(batch.end, file.len() as u64);
    assert_eq!(batch.end % ALIGNMENT, 0);
    let found: Vec<_> = batch.records().map(|record| record.expect("it is one")).collect();
    for ((offset, bytes), record) in found.iter().zip(records) {
        assert_eq!(bytes, record);
        let start = *offset as usize;
        assert_eq!(&file[start..start + record.len()], record);
        let framed = file.slice(start - RECORD_HEAD_BYTES..start + record.len());
        let parsed = parse_record(&framed, record.len(), PLACE.salt);
        assert_eq!(parsed.as_deref(), Some(record));
        let other = Salt(PLACE.salt.0 + 1);
        assert_eq!(parse_record(&framed, record.len(), other), None, "of another segment");
    }
    assert_eq!(found.len(), records.len());
}

#[test]
fn any_flipped_bit_but_those_of_the_padding_is_noticed() {
    let file = file_with(&[b"one", b"three"], PLACE, 77);
    let used = 64 + HEAD_BYTES + 2 * RECORD_HEAD_BYTES + 8;
    assert_eq!(file.len(), used, "no padding");
    for bit in 64 * 8..used * 8 {
        let mut rotten = file.to_vec();
        rotten[bit / 8] ^= 1 << (bit % 8);
        assert!(Batch::parse(&rotten.into(), PLACE).is_none(), "bit {bit}");
    }
}

#[test]
fn a_batch_of_another_place_is_none() {
    let file = file_with(&[b"one"], PLACE, 77);
    let others = [
        Place { sequence: 4, ..PLACE },
        Place { salt: Salt(10), ..PLACE },
        Place { offset: 56, ..PLACE },
        Place { offset: u64::MAX, ..PLACE },
    ];
    for other in others {
        assert!(Batch::parse(&file, other).is_none(), "{other:?}");
    }
    assert_eq!(find_sound(&file, Place { offset: 3, ..PLACE }), Some(64));
    assert_eq!(find_sound(&file, Place { offset: 65, ..PLACE }), None);
}
