//! Adversarial images on disk.

use crate::interrupted::Interrupted;
use crate::toy::{EXAMPLES, Toy, batches, images, standard, threat};
use burn::tensor::Tensor;
use cni_attacks::{Attack, Classifier, Norm, Pgd, RandomNoise};
use cni_evaluation::{AdversarialImages, Evaluated, Evaluation};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

fn names(folder: &Path) -> Vec<String> {
    let relative = |path: PathBuf| {
        let path = path.strip_prefix(folder).unwrap().to_path_buf();
        path.to_string_lossy().replace('\\', "/")
    };
    AdversarialImages::files(folder).unwrap().into_iter().map(relative).collect()
}

fn run(evaluation: Evaluation, folder: &Path) -> Evaluated {
    let toy = Toy::new(4);
    let batches = batches(&toy.predictions(&images()), 10);
    evaluation.with_adversarial(folder).run(&toy, batches).unwrap()
}

fn read(folder: &Path, name: &str) -> AdversarialImages {
    AdversarialImages::read(folder.join(name)).unwrap()
}

#[test]
fn the_images_are_those_that_the_record_counts() {
    let folder = tempfile::tempdir().unwrap();
    let attacks: Vec<Box<dyn Attack>> =
        vec![Box::new(RandomNoise::new(threat())), Box::new(Pgd::new(threat()))];
    let Evaluated { record, rows, .. } = run(Evaluation::new(attacks).unwrap(), folder.path());
    let batches = ["from-000000", "from-000010", "from-000020"];
    let wanted: Vec<String> = ["00-Random-1", "01-PGD-10"]
        .iter()
        .flat_map(|attack| batches.map(|batch| format!("{attack}/{batch}.safetensors")))
        .collect();
    assert_eq!(names(folder.path()), wanted);
    let toy = Toy::new(4);
    for (index, attack) in record.attacks.iter().enumerate() {
        for name in &wanted[3 * index..3 * (index + 1)] {
            let found = read(folder.path(), name);
            assert_eq!((&found.attack, &found.hash), (&attack.name, &attack.hash));
            let (pixels, n) = (found.images(&images().device()), found.labels.len());
            let first = found.examples[0] as usize;
            let clean = images().slice(first..first + n);
            let predicted: Vec<i64> = toy.predictions(&pixels).try_to_vec_as().unwrap();
            let distance = Norm::Linf.distance(&pixels, &clean);
            let distance: Vec<f64> = distance.try_to_vec_as().unwrap();
            for at in 0..n {
                let row = &rows[found.examples[at] as usize];
                assert_eq!((row.index, row.label), (first + at, found.labels[at]));
                let wrong = predicted[at] != row.label;
                assert_eq!((found.success[at], row.attacks[index].correct), (wrong, !wrong as u32));
                assert_eq!(distance[at], row.attacks[index].distance);
            }
        }
    }
}

/// The files of the last attack are the adversarial images of the suite.
#[test]
fn a_cascade_leaves_the_worst_images_so_far() {
    let folder = tempfile::tempdir().unwrap();
    let Evaluated { rows, .. } = run(Evaluation::new(standard()).unwrap().cascade(), folder.path());
    let all = names(folder.path());
    let of = |name: &str| all.iter().filter(|file| file.contains(name)).collect::<Vec<_>>();
    let (first, last) = (of("00-APGD-CE-20"), of("03-Square-200"));
    assert_eq!((all.len(), first.len(), last.len()), (12, 3, 3));
    let toy = Toy::new(4);
    for name in last {
        let found = read(folder.path(), name);
        let predicted = toy.predictions(&found.images(&images().device()));
        let predicted: Vec<i64> = predicted.try_to_vec_as().unwrap();
        for (at, example) in found.examples.iter().enumerate() {
            let row = &rows[*example as usize];
            assert_eq!(found.success[at], row.worst_case == 0);
            assert_eq!(predicted[at] == row.label, row.worst_case == 1);
        }
    }
}

#[test]
fn images_go_on_after_a_kill_and_those_that_have_changed_are_made_again() {
    let folder = tempfile::tempdir().unwrap();
    let (state, kept) = (folder.path().join("state"), folder.path().join("images"));
    let toy = Toy::new(4);
    let labels = toy.predictions(&images());
    let calls = Arc::default();
    let run = |fails_at| {
        let attack = Pgd::new(threat());
        let second = Interrupted { attack, calls: Arc::clone(&calls), fails_at };
        let attacks: Vec<Box<dyn Attack>> =
            vec![Box::new(RandomNoise::new(threat())), Box::new(second)];
        let evaluation = Evaluation::new(attacks).unwrap().cascade().with_adversarial(&kept);
        evaluation.run_with(&toy, batches(&labels, 10), Some(&state), &mut |_| {})
    };
    let contents = || {
        let files = AdversarialImages::files(&kept).unwrap();
        files.iter().map(|path| fs::read(path).unwrap()).collect::<Vec<_>>()
    };
    run(2).unwrap_err();
    assert_eq!(contents().len(), 3);
    let evaluated = run(0).unwrap();
    let whole = contents();
    assert_eq!((whole.len(), evaluated.rows.len()), (6, EXAMPLES));
    // A changed file is refused by its reader. The evaluation makes it again, and also a lost one.
    let files = AdversarialImages::files(&kept).unwrap();
    let mut changed = fs::read(&files[0]).unwrap();
    *changed.last_mut().unwrap() ^= 1;
    fs::write(&files[0], &changed).unwrap();
    let error = AdversarialImages::read(&files[0]).unwrap_err().to_string();
    assert!(error.contains("00-Random-1") && error.contains("sha256"), "{error}");
    fs::remove_file(&files[4]).unwrap();
    assert_eq!(run(0).unwrap().rows, evaluated.rows);
    assert!(contents() == whole, "the files differ");
}

#[test]
fn a_folder_of_images_holds_one_evaluation_and_the_files_of_others() {
    let folder = tempfile::tempdir().unwrap();
    let attacks = || -> Vec<Box<dyn Attack>> { vec![Box::new(Pgd::fgsm(threat()))] };
    run(Evaluation::new(standard()).unwrap(), folder.path());
    fs::write(folder.path().join("00-APGD-CE-20/notes"), "mine").unwrap();
    run(Evaluation::new(attacks()).unwrap(), folder.path());
    assert!(names(folder.path()).iter().all(|name| name.starts_with("00-FGSM/")));
    let mut left: Vec<String> = fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    left.sort();
    assert_eq!(left, ["00-APGD-CE-20", "00-FGSM"]);
    assert!(AdversarialImages::files(&folder.path().join("none")).is_err());
}

/// The images are those against the model as it is deployed, in whatever states of its noise it is
/// judged.
#[test]
fn a_noisy_model_has_its_images_under_live_noise() {
    let folder = tempfile::tempdir().unwrap();
    let toy = Toy { noise: 0.3, ..Toy::new(4) };
    let attacks: Vec<Box<dyn Attack>> = vec![Box::new(Pgd::new(threat()).with_draws(3).unwrap())];
    let evaluation = Evaluation::new(attacks).unwrap().with_adversarial(folder.path());
    let labels = Toy::new(4).predictions(&images());
    let found = evaluation.run(&toy, batches(&labels, EXAMPLES)).unwrap();
    let kept = read(folder.path(), "00-EOT-PGD-10x3/from-000000.safetensors");
    let pixels: Tensor<4> = kept.images(&images().device());
    let clean = images();
    let distance: Vec<f64> = Norm::Linf.distance(&pixels, &clean).try_to_vec_as().unwrap();
    let wanted: Vec<f64> = found.rows.iter().map(|row| row.attacks[0].distance).collect();
    assert_eq!(distance, wanted);
    assert!(toy.logits(pixels).dims()[0] == EXAMPLES);
}
