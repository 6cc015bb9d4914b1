//! Elastic bodies against closed forms.

use cni_registration::RegistrationError;
use cni_registration::simulation::elastic::{Body, Material, Mesh, Plane};

fn material(young: f64, poisson: f64) -> Material {
    Material { young, poisson }
}

/// A grid whose inner nodes are moved about.
fn distorted(size: [usize; 2]) -> Mesh {
    let grid = Mesh::grid(size, [1.0, 1.5]).unwrap();
    let inside = |number: usize| {
        let [row, column] = [number / size[1], number % size[1]];
        row > 0 && column > 0 && row + 1 < size[0] && column + 1 < size[1]
    };
    let moved = |(number, place): (usize, &[f64; 2])| match inside(number) {
        true => {
            let by = number as f64;
            [place[0] + 0.25 * (1.7 * by).sin(), place[1] + 0.3 * (2.3 * by).cos()]
        }
        false => *place,
    };
    let nodes = grid.nodes().iter().enumerate().map(moved).collect();
    Mesh::new(nodes, grid.quads().to_vec()).unwrap()
}

/// The patch test: a linear displacement on the outline of a distorted mesh is the displacement
/// everywhere.
#[test]
fn distorted_elements_reproduce_a_constant_strain() {
    let size = [5, 4];
    let mesh = distorted(size);
    let linear =
        |at: [f64; 2]| [0.1 + 0.02 * at[0] - 0.03 * at[1], -0.2 + 0.01 * at[0] + 0.04 * at[1]];
    for plane in [Plane::Stress, Plane::Strain] {
        let materials = vec![material(3.0, 0.3); mesh.quads().len()];
        let mut body = Body::new(mesh.clone(), plane, &materials).unwrap();
        for (number, place) in mesh.nodes().iter().enumerate() {
            let [row, column] = [number / size[1], number % size[1]];
            if row == 0 || column == 0 || row + 1 == size[0] || column + 1 == size[1] {
                for axis in 0..2 {
                    body.hold(number, axis, linear(*place)[axis]).unwrap();
                }
            }
        }
        for (found, place) in body.solve().unwrap().iter().zip(mesh.nodes()) {
            let wanted = linear(*place);
            let error = (found[0] - wanted[0]).abs().max((found[1] - wanted[1]).abs());
            assert!(error < 1e-13, "{plane:?} at {place:?}: {error}");
        }
    }
}

/// The patch test with forces: a bar pulled at its end by a traction t, free at its sides, becomes
/// longer by `t x / E` and thinner by `ν t y / E`, in plane strain with `E / (1 − ν²)` and
/// `ν / (1 − ν)` in their place.
#[test]
fn a_pulled_bar_becomes_longer_and_thinner() {
    let (young, nu, traction) = (50.0, 0.3, 2.0);
    let size = [6, 4];
    let mesh = distorted(size);
    for plane in [Plane::Stress, Plane::Strain] {
        let (e, n) = match plane {
            Plane::Stress => (young, nu),
            Plane::Strain => (young / (1.0 - nu * nu), nu / (1.0 - nu)),
        };
        let materials = vec![material(young, nu); mesh.quads().len()];
        let mut body = Body::new(mesh.clone(), plane, &materials).unwrap();
        for column in 0..size[1] {
            body.hold(column, 0, 0.0).unwrap();
        }
        body.hold(0, 1, 0.0).unwrap();
        let last = (size[0] - 1) * size[1];
        for column in 0..size[1] - 1 {
            let edge = [last + column, last + column + 1];
            // As a traction, and half of it as a pressure along the same axis.
            body.traction(edge, [[traction / 2.0, 0.0]; 2]).unwrap();
            body.pressure(edge, traction / 2.0).unwrap();
        }
        for (found, place) in body.solve().unwrap().iter().zip(mesh.nodes()) {
            let wanted = [traction / e * place[0], -n * traction / e * place[1]];
            let error = (found[0] - wanted[0]).abs().max((found[1] - wanted[1]).abs());
            assert!(error < 1e-12, "{plane:?} at {place:?}: {found:?} {wanted:?}");
        }
    }
}

/// The tip of a cantilever of length L and height D under a force P at its end, in plane stress,
/// and its exact displacement (Timoshenko and Goodier, Theory of Elasticity, section 21): `u = P y
/// / 6EI · ((6L − 3x) x + (2 + ν)(y² − D²/4))`, `v = −P / 6EI · (3ν y² (L − x) + (4 + 5ν) D² x / 4
/// + (3L − x) x²)`.
fn cantilever(elements: usize) -> [f64; 2] {
    let (length, height, young, nu, load) = (8.0, 2.0, 1000.0, 0.3, 1.0);
    let inertia = height * height * height / 12.0;
    let factor = load / (6.0 * young * inertia);
    let exact = |x: f64, y: f64| {
        let u = (6.0 * length - 3.0 * x) * x + (2.0 + nu) * (y * y - height * height / 4.0);
        let v = 3.0 * nu * y * y * (length - x)
            + (4.0 + 5.0 * nu) * height * height * x / 4.0
            + (3.0 * length - x) * x * x;
        [factor * y * u, -factor * v]
    };
    let [rows, columns] = [4 * elements + 1, elements + 1];
    let side = height / elements as f64;
    let mesh = Mesh::grid([rows, columns], [side; 2]).unwrap();
    let materials = vec![material(young, nu); mesh.quads().len()];
    let mut body = Body::new(mesh, Plane::Stress, &materials).unwrap();
    let y = |column: usize| column as f64 * side - height / 2.0;
    for column in 0..columns {
        let [u, v] = exact(0.0, y(column));
        body.hold(column, 0, u).unwrap().hold(column, 1, v).unwrap();
    }
    // The shear of the exact solution at the end, `−P / 2I · (D²/4 − y²)`.
    let shear = |column: usize| {
        [0.0, -load / (2.0 * inertia) * (height * height / 4.0 - y(column).powi(2))]
    };
    let last = (rows - 1) * columns;
    for column in 0..elements {
        let edge = [last + column, last + column + 1];
        body.traction(edge, [shear(column), shear(column + 1)]).unwrap();
    }
    let tip = body.solve().unwrap()[last + elements / 2][1];
    [tip, exact(length, 0.0)[1]]
}

/// The error of bilinear elements falls with the square of their size.
#[test]
fn a_cantilever_bends_as_timoshenkos_does() {
    let error = |elements: usize| {
        let [found, exact] = cantilever(elements);
        (found / exact - 1.0).abs()
    };
    let [coarse, middle, fine] = [4, 8, 16].map(error);
    assert!(fine < 0.01, "{coarse} {middle} {fine}");
    for ratio in [coarse / middle, middle / fine] {
        assert!((3.5..4.5).contains(&ratio), "{coarse} {middle} {fine}");
    }
}

#[test]
fn a_body_that_can_move_freely_is_refused() {
    let mesh = Mesh::grid([3, 3], [1.0; 2]).unwrap();
    let mut body = Body::new(mesh, Plane::Strain, &[material(1.0, 0.3); 4]).unwrap();
    body.force(8, [1.0, 0.0]).unwrap();
    assert!(matches!(body.solve(), Err(RegistrationError::Unsupported)));
    // Held at one node it can still turn.
    body.hold(0, 0, 0.0).unwrap().hold(0, 1, 0.0).unwrap();
    assert!(matches!(body.solve(), Err(RegistrationError::Unsupported)));
    body.hold(2, 0, 0.0).unwrap();
    assert!(body.solve().is_ok());
}

/// What is refused adds no load: at rest, the body stays where it is.
#[test]
fn a_load_that_is_refused_changes_nothing() {
    let mesh = Mesh::grid([3, 3], [1.0; 2]).unwrap();
    let mut body = Body::new(mesh, Plane::Strain, &[material(1.0, 0.3); 4]).unwrap();
    for node in 0..3 {
        body.hold(node, 0, 0.0).unwrap().hold(node, 1, 0.0).unwrap();
    }
    let before = body.solve().unwrap();
    assert!(body.force(8, [1.0, f64::NAN]).is_err());
    // The share of the first node is finite, that of the second overflows.
    let traction = [[0.2e308, 0.0], [1e308, 0.0]];
    assert!(body.traction([7, 8], traction).is_err());
    assert!(body.traction([7, 9], [[1.0, 0.0]; 2]).is_err());
    assert!(body.pressure([7, 8], f64::INFINITY).is_err());
    assert_eq!(body.solve().unwrap(), before);
}
