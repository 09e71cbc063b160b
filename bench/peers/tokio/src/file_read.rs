use crate::{die, random, Outcome};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::sync::Arc;
use std::time::Instant;

const BLOCK: usize = 4096;
const BLOCKS: u64 = 16384;
const READERS: u64 = 64;

/// A buffer that O_DIRECT accepts.
#[repr(align(4096))]
struct Block([u8; BLOCK]);

/// 64 tasks read blocks of 4 KiB picked at random from a file of 64 MiB; one operation is one read. The file is in the
/// page cache, or, if direct, it is read around it. Tokio reads files in its pool of blocking threads.
pub async fn file_read(ops: u64, direct: bool) -> Outcome {
    let file = Arc::new(make_blocks(direct).unwrap_or_else(|error| die("file", error)));
    let each = ops / READERS + 1;
    let mut readers = Vec::new();
    let began = Instant::now();
    for i in 0..READERS {
        let file = file.clone();
        readers.push(tokio::spawn(async move {
            let mut block = Box::new(Block([0; BLOCK]));
            let mut state = i.wrapping_mul(0x9e3779b97f4a7c15) + 1;
            let mut right = 0;
            for _ in 0..each {
                state = random(state);
                let wanted = state % BLOCKS;
                let file = file.clone();
                let read = tokio::task::spawn_blocking(move || {
                    let result = file.read_exact_at(&mut block.0, wanted * BLOCK as u64);
                    (result, block)
                });
                let (result, returned) = read.await.unwrap();
                block = returned;
                let number = u64::from_le_bytes(block.0[..8].try_into().unwrap());
                right += (result.is_ok() && number == wanted) as u64;
            }
            right
        }));
    }
    let mut right = 0;
    for reader in readers {
        right += reader.await.unwrap();
    }
    Outcome { seconds: began.elapsed().as_secs_f64(), ..Outcome::new(each * READERS, right == each * READERS) }
}

/// A file, without a name, whose every block begins with its number.
fn make_blocks(direct: bool) -> std::io::Result<File> {
    // On a disk, which /tmp need not be.
    let folder = std::env::var("TMPDIR").unwrap_or_else(|_| "/var/tmp".to_string());
    let path = format!("{folder}/bench-file-read-{}", std::process::id());
    let mut content = vec![0; BLOCKS as usize * BLOCK];
    for i in 0..BLOCKS {
        content[i as usize * BLOCK..][..8].copy_from_slice(&i.to_le_bytes());
    }
    let mut file = File::create(&path)?;
    file.write_all(&content)?;
    file.sync_all()?;
    let flags = if direct { libc::O_DIRECT } else { 0 };
    let file = OpenOptions::new().read(true).custom_flags(flags).open(&path);
    std::fs::remove_file(&path)?;
    file
}
