//! An image in memory, to be pushed: given, or made from a seed.
//!
//! Source: image-spec, "Image Layer Filesystem Changeset"; POSIX.1-1988, "ustar Interchange Format".

use bytes::{BufMut as _, Bytes, BytesMut};
use oci::{Descriptor, Digest, ImageConfig, ImageManifest, MediaType, Platform};
use rand::Rng as _;
use testbed::Seed;

const TAR_BLOCK_BYTES: usize = 512;

/// A manifest with everything that it names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalImage {
    /// The manifest's media type.
    pub media_type: MediaType,
    /// The manifest's bytes.
    pub manifest: Bytes,
    /// The config and the layers.
    pub blobs: Vec<LocalBlob>,
}

/// One blob.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalBlob {
    /// Its digest.
    pub digest: Digest,
    /// Its bytes.
    pub bytes: Bytes,
}

impl LocalBlob {
    /// A blob of these bytes.
    pub fn new(bytes: Bytes) -> Self {
        Self { digest: Digest::of(&bytes), bytes }
    }
}

impl LocalImage {
    /// An image for `linux/amd64` with one layer per size. A layer is a tar of one file with random content of so many
    /// bytes, so it is a little larger than that, and a container runtime can unpack it. The same seed gives the same
    /// bytes.
    pub fn synthetic(seed: Seed, layer_sizes: &[usize]) -> Self {
        let layers: Vec<_> = layer_sizes
            .iter()
            .enumerate()
            .map(|(n, size_bytes)| {
                let mut content = vec![0; *size_bytes];
                seed.stream(&format!("layer {n}")).fill_bytes(&mut content);
                LocalBlob::new(tar(&format!("layer-{n}"), &content))
            })
            .collect();
        let diff_ids = layers.iter().map(|layer| layer.digest.clone()).collect();
        let config = json(&ImageConfig::new(Platform::linux_amd64(), diff_ids));
        let manifest = json(&ImageManifest::new(
            MediaType::OCI_MANIFEST,
            Descriptor::of(MediaType::OCI_CONFIG, &config),
            layers.iter().map(|layer| Descriptor::of(MediaType::OCI_LAYER_TAR, &layer.bytes)).collect(),
        ));
        let blobs = [LocalBlob::new(config)].into_iter().chain(layers).collect();
        Self { media_type: MediaType::OCI_MANIFEST, manifest, blobs }
    }

    /// The digest of the manifest.
    pub fn digest(&self) -> Digest {
        Digest::of(&self.manifest)
    }
}

fn json(value: &impl serde::Serialize) -> Bytes {
    // Maps with text keys and plain numbers only: there is nothing that JSON could not say.
    serde_json::to_vec(value).unwrap_or_default().into()
}

/// A tar of one file.
fn tar(name: &str, content: &[u8]) -> Bytes {
    let padding = content.len().next_multiple_of(TAR_BLOCK_BYTES) - content.len();
    let mut tar = BytesMut::with_capacity(content.len() + padding + 3 * TAR_BLOCK_BYTES);
    tar.put_slice(&tar_header(name, content.len()));
    tar.put_slice(content);
    // The end is two empty blocks.
    tar.put_bytes(0, padding + 2 * TAR_BLOCK_BYTES);
    tar.freeze()
}

fn tar_header(name: &str, size_bytes: usize) -> [u8; TAR_BLOCK_BYTES] {
    let mut header = [0; TAR_BLOCK_BYTES];
    let mut put = |at: usize, text: &str| header[at..at + text.len()].copy_from_slice(text.as_bytes());
    put(0, name);
    put(100, "0000644\0");
    put(108, "0000000\0");
    put(116, "0000000\0");
    put(124, &format!("{size_bytes:011o}\0"));
    put(136, "00000000000\0");
    // The checksum is computed with blanks in its own place.
    put(148, "        ");
    put(156, "0");
    put(257, "ustar\x0000");
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    header
}

#[cfg(test)]
mod tests {
    use oci::Manifest;

    use super::*;

    #[test]
    fn a_synthetic_image_is_complete_and_repeats() {
        let image = LocalImage::synthetic(Seed(7), &[1000, 0]);
        assert_eq!(image, LocalImage::synthetic(Seed(7), &[1000, 0]));
        assert_ne!(image, LocalImage::synthetic(Seed(8), &[1000, 0]));
        let Manifest::Image(manifest) = Manifest::parse(&image.manifest, None).unwrap() else { panic!("no image") };
        let named: Vec<_> = manifest.blobs().map(|blob| (blob.digest.clone(), blob.size)).collect();
        let held: Vec<_> = image.blobs.iter().map(|blob| (blob.digest.clone(), blob.bytes.len() as u64)).collect();
        assert_eq!(named, held);
    }

    #[test]
    fn a_layer_is_a_tar_of_whole_blocks() {
        let tar = tar("hello", b"content");
        assert_eq!(tar.len(), 4 * TAR_BLOCK_BYTES);
        assert_eq!(&tar[257..263], b"ustar\0");
        assert_eq!(&tar[124..136], b"00000000007\0");
        assert_eq!(&tar[512..519], b"content");
    }
}
