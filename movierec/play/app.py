"""`python -m movierec.play.app` makes sure that the model of the course is there, see `training.course_model`."""

from movierec.training.course_model import load_or_train, model_folder

__all__ = ["load_or_train", "model_folder"]

if __name__ == "__main__":
    print("the model of the course: loaded, or trained now, which takes half a minute")
    print(load_or_train())
